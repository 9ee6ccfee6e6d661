import { Header, KEPT_HEADERS, Kind, M, MimeState, PartBit } from '../mime/layout.js';
import { MD5_WORDS, md5Begin, md5End, md5Update } from '../mime/md5.js';
import { NODE_HEAD } from '../mime/urls.js';
import type { RecordNames, RecordWriter } from '../record.js';
import { type Transactions, Tx } from '../transactions.js';
import { T, TxBit } from './layout.js';
import type { SmtpEveOptions } from './options.js';

/** Fields of EVE's `smtp`, and of `email` beside it (user guide, "Eve JSON Format", SMTP). */
const enum Field {
  Helo = 0,
  MailFrom,
  RcptTo,
  Email,
  Status,
  Attachment,
  Url,
  SubjectMd5,
  BodyMd5,
  /** By Header. */
  Headers,
}
const HEADER_FIELDS =
  'from to cc subject date message_id x_mailer received reply_to bcc user_agent x_originating_ip in_reply_to references importance priority sensitivity organization content_md5';

/** MIME_STATES' order of words. */
const enum Word {
  HeaderReady = 0,
  HeaderStarted,
  HeaderDone,
  BodyStarted,
  BodyDone,
  ParseDone,
}

export const SMTP_NAMES: RecordNames = {
  type: 'smtp',
  fields: [...'helo mail_from rcpt_to email status attachment url subject_md5 body_md5'.split(' '), ...HEADER_FIELDS.split(' ')],
  words: ['HEADER_READY', 'HEADER_STARTED', 'HEADER_DONE', 'BODY_STARTED', 'BODY_DONE', 'PARSE_DONE'],
  beside: Field.Email,
};

/** Headers whose value is a list of addresses. */
const LISTS = [Header.To, Header.Cc, Header.Bcc];
/** Names of HEADER_FIELDS in the order of records, behind From, To and Cc. */
const ORDER = [
  Header.ReplyTo,
  Header.Bcc,
  Header.MessageId,
  Header.Subject,
  Header.XMailer,
  Header.UserAgent,
  Header.Received,
  Header.XOriginatingIp,
  Header.InReplyTo,
  Header.References,
  Header.Importance,
  Header.Priority,
  Header.Sensitivity,
  Header.Organization,
  Header.ContentMd5,
  Header.Date,
];

const COMMA = 0x2c;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Records of mails. */
export class SmtpRecords {
  private readonly words: Int32Array;
  private readonly wanted = new Uint8Array(KEPT_HEADERS);
  private readonly md5 = new Int32Array(MD5_WORDS);
  private readonly digest = new Uint8Array(16);

  constructor(
    private readonly txs: Transactions,
    private readonly options: SmtpEveOptions,
    names: readonly string[],
  ) {
    this.words = new Int32Array(txs.heap.bytes.buffer);
    for (const name of options.headers) {
      const header = names.indexOf(name);
      if (header >= 0 && header < KEPT_HEADERS) this.wanted[header] = 1;
    }
  }

  write(tx: number, writer: RecordWriter): void {
    const { words } = this.txs;
    const { bytes } = this.txs.heap;
    const at = tx * Tx.Words;
    if (words[at + T.Helo] !== 0) writer.text(Field.Helo, bytes, words[at + T.Helo] - 1, words[at + T.HeloLen]);
    if (words[at + T.MailFrom] !== 0) writer.text(Field.MailFrom, bytes, words[at + T.MailFrom] - 1, words[at + T.MailFromLen]);
    this.list(writer, Field.RcptTo, words[at + T.Rcpt]);
    const c = words[at + T.Mime];
    if (c !== 0 && (words[at + T.Bits] & TxBit.Refused) === 0) this.email(c, writer);
  }

  private email(c: number, writer: RecordWriter): void {
    const { words, options } = this;
    const { bytes } = this.txs.heap;
    writer.object(Field.Email);
    writer.word(Field.Status, this.status(c));
    this.header(writer, c, Header.From);
    this.header(writer, c, Header.To);
    this.header(writer, c, Header.Cc);
    this.list(writer, Field.Attachment, words[c + M.Attachments]);
    this.list(writer, Field.Url, words[c + M.Urls]);
    for (const header of ORDER) if (this.wanted[header] === 1) this.header(writer, c, header);
    const subject = words[c + M.Headers + 2 * Header.Subject];
    if (options.subjectMd5 && subject !== 0) {
      md5Begin(this.md5, 0);
      md5Update(this.md5, 0, bytes, subject - 1, words[c + M.Headers + 2 * Header.Subject + 1]);
      md5End(this.md5, 0, this.digest, 0);
      writer.hex(Field.SubjectMd5, this.digest, 0, 16, false);
    }
    const digest = words[c + M.Md5 + MD5_WORDS];
    if (options.bodyMd5 && digest !== 0) writer.hex(Field.BodyMd5, bytes, digest - 1, 16, false);
    writer.end();
  }

  private status(c: number): Word {
    const { words } = this;
    switch (words[c + M.State] as MimeState) {
      case MimeState.Ready:
        return Word.HeaderReady;
      case MimeState.Done:
        return Word.ParseDone;
      case MimeState.Header:
        return (words[c + M.Part] & PartBit.Main) !== 0 ? Word.HeaderStarted : Word.BodyStarted;
      default:
        return words[c + M.Kind] === Kind.Epilogue ? Word.BodyDone : Word.BodyStarted;
    }
  }

  private header(writer: RecordWriter, c: number, header: Header): void {
    const { words } = this;
    if (header === Header.Received) {
      this.list(writer, Field.Headers + header, words[c + M.Received]);
      return;
    }
    const at = words[c + M.Headers + 2 * header] - 1;
    const n = words[c + M.Headers + 2 * header + 1];
    if (at < 0 || n === 0) return;
    if (LISTS.includes(header)) this.addresses(writer, Field.Headers + header, at, at + n);
    else writer.text(Field.Headers + header, this.txs.heap.bytes, at, n);
  }

  /** Addresses with commas between them, except where these stand in quotes. */
  private addresses(writer: RecordWriter, field: number, off: number, end: number): void {
    const { bytes } = this.txs.heap;
    let isQuoted = false;
    let from = off;
    let count = 0;
    for (let at = off; at <= end; at++) {
      if (at < end) {
        if (bytes[at] === BACKSLASH && isQuoted) at++;
        else if (bytes[at] === QUOTE) isQuoted = !isQuoted;
        if (isQuoted || bytes[at] !== COMMA) if (at < end) continue;
      }
      const stop = Math.min(at, end);
      let begin = from;
      let last = stop;
      while (begin < last && bytes[begin] <= 0x20) begin++;
      while (last > begin && bytes[last - 1] <= 0x20) last--;
      if (last > begin) {
        if (count++ === 0) writer.array(field);
        writer.text(-1, bytes, begin, last - begin);
      }
      from = at + 1;
    }
    if (count > 0) writer.end();
  }

  private list(writer: RecordWriter, field: number, first: number): void {
    if (first === 0) return;
    const { words } = this;
    writer.array(field);
    for (let node = first - 1; node >= 0; node = words[node >> 2] - 1)
      writer.text(-1, this.txs.heap.bytes, node + NODE_HEAD, words[(node >> 2) + 1]);
    writer.end();
  }
}
