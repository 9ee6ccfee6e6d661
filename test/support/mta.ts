/** A server of SMTP as its client sees it: what it makes of the bytes, and what it answers. */
export class Mta {
  /** Bodies of the mails that it has taken. */
  readonly taken: string[] = [];
  private left = '';
  private body: string[] | null = null;
  private hasSender = false;
  private recipients = 0;

  /** `accepts`: of each DATA with an envelope, in order; those beyond are accepted. */
  constructor(private readonly accepts: boolean[]) {}

  /** Answers to the commands that are whole now. */
  hear(text: string): string {
    const lines = (this.left + text).split('\r\n');
    this.left = lines.pop() ?? '';
    return lines.map((line) => this.line(line)).join('');
  }

  private line(line: string): string {
    if (this.body !== null) {
      if (line !== '.') {
        this.body.push(line);
        return '';
      }
      this.taken.push(this.body.join('\r\n'));
      this.forget();
      return '250 queued\r\n';
    }
    const word = line.toUpperCase();
    if (word.startsWith('MAIL FROM:')) {
      if (this.hasSender) return '503 nested\r\n';
      this.hasSender = true;
      return '250 ok\r\n';
    }
    if (word.startsWith('RCPT TO:')) {
      if (!this.hasSender) return '503 no sender\r\n';
      this.recipients++;
      return '250 ok\r\n';
    }
    if (word === 'DATA') {
      if (this.recipients === 0) return '503 no recipients\r\n';
      if (this.accepts.shift() === false) return '451 not now\r\n';
      this.body = [];
      return '354 go\r\n';
    }
    if (word === 'RSET') {
      this.forget();
      return '250 ok\r\n';
    }
    return word === 'QUIT' ? '221 bye\r\n' : '500 what\r\n';
  }

  private forget(): void {
    this.body = null;
    this.hasSender = false;
    this.recipients = 0;
  }
}
