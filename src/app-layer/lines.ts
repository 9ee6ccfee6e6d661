import { Counter } from '../metrics/counters.js';
import { type AppMemory, KEPT_BYTES, LINE_BYTES } from './memory.js';
import { Parsed } from './protocol.js';
import { Session, type Sessions } from './sessions.js';

/** What takes the lines. Without the LF; bytes as sent otherwise. `isCut`: it is longer than what is handed on. */
export interface LineSink {
  line(session: number, direction: number, mem: Uint8Array, region: number, off: number, len: number, isCut: boolean): Parsed;
}

/** The first six of the parser's own words (Session.Parser +), each + direction: bytes kept, line buffer + 1 (0: none), 1: skip to the LF. */
const enum Word {
  Kept = 0,
  Buffer = 2,
  Skip = 4,
}

const LF = 10;

/**
 * Cuts a stream into lines. A line inside one piece is handed on where it lies; one that is split is kept in the
 * session's KEPT_BYTES, then in a line buffer, and put together in the scratch memory. A line beyond the limit is
 * handed on as soon as the limit is reached, and skipped from there.
 */
export class Lines {
  constructor(
    private readonly sessions: Sessions,
    private readonly memory: AppMemory,
    private readonly counters: Float64Array,
    private readonly sink: LineSink,
    /** Longest line, bytes; one that is split is kept up to LINE_BYTES. */
    private readonly longest: number = LINE_BYTES,
  ) {}

  data(session: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): Parsed {
    const { words } = this.sessions;
    const at = session * Session.Words + Session.Parser + direction;
    const end = off + len;
    for (let from = off; from < end; ) {
      let lf = from;
      while (lf < end && mem[lf] !== LF) lf++;
      if (words[at + Word.Skip] !== 0) {
        if (lf === end) return Parsed.Go;
        words[at + Word.Skip] = 0;
        from = lf + 1;
        continue;
      }
      const kept = words[at + Word.Kept];
      const more = lf - from;
      // What is put together lies in a line buffer.
      const limit = kept === 0 && lf < end ? this.longest : this.longest < LINE_BYTES ? this.longest : LINE_BYTES;
      const isCut = kept + more > limit || (lf === end && kept + more === limit);
      if (lf === end && kept + more < limit) {
        if (this.keep(session, direction, mem, from, more)) return Parsed.Go;
      }
      let result: Parsed;
      if (kept === 0) result = this.sink.line(session, direction, mem, region, from, more < limit ? more : limit, isCut);
      else result = this.join(session, direction, mem, from, kept + more < limit ? more : limit - kept, isCut);
      if (result !== Parsed.Go) return result;
      if (lf === end) words[at + Word.Skip] = 1;
      from = lf + 1;
    }
    return Parsed.Go;
  }

  /** False: the bytes would begin or continue a line for which there is no buffer. */
  hasRoom(session: number, direction: number, mem: Uint8Array, off: number, len: number): boolean {
    const { words } = this.sessions;
    const at = session * Session.Words + Session.Parser + direction;
    if (direction !== 0 || words[at + Word.Buffer] !== 0 || this.memory.hasLine()) return true;
    const end = off + len;
    let from = end;
    while (from > off && mem[from - 1] !== LF) from--;
    if (from > off) return end - from <= KEPT_BYTES;
    return words[at + Word.Skip] !== 0 || words[at + Word.Kept] + len <= KEPT_BYTES;
  }

  /** True between two lines: nothing is kept, nothing is being skipped. */
  atStart(session: number, direction: number): boolean {
    const { words } = this.sessions;
    const at = session * Session.Words + Session.Parser + direction;
    return words[at + Word.Kept] === 0 && words[at + Word.Skip] === 0;
  }

  /** What was begun is handed on as it is; the next byte begins a line. */
  cut(session: number, direction: number): void {
    const { words } = this.sessions;
    const at = session * Session.Words + Session.Parser + direction;
    words[at + Word.Skip] = 0;
    if (words[at + Word.Kept] > 0) this.join(session, direction, this.memory.bytes, 0, 0, false);
  }

  /** Forgets what was begun. */
  clear(session: number, direction: number): void {
    const { words } = this.sessions;
    const at = session * Session.Words + Session.Parser + direction;
    words[at + Word.Skip] = 0;
    words[at + Word.Kept] = 0;
    if (words[at + Word.Buffer] === 0) return;
    this.memory.giveLine(words[at + Word.Buffer] - 1);
    words[at + Word.Buffer] = 0;
  }

  /** False: no buffer. The line is then handed on as far as it goes. */
  private keep(session: number, direction: number, mem: Uint8Array, from: number, more: number): boolean {
    const { memory } = this;
    const { words } = this.sessions;
    const at = session * Session.Words + Session.Parser + direction;
    const kept = words[at + Word.Kept];
    let to = memory.keptAt(session, direction);
    if (words[at + Word.Buffer] !== 0) to = words[at + Word.Buffer] - 1;
    else if (kept + more > KEPT_BYTES) {
      const line = memory.takeLine();
      if (line < 0) {
        this.counters[Counter.AppNoRoom]++;
        return false;
      }
      memory.bytes.copyWithin(line, to, to + kept);
      words[at + Word.Buffer] = line + 1;
      to = line;
    }
    const { bytes } = memory;
    for (let i = 0; i < more; i++) bytes[to + kept + i] = mem[from + i];
    words[at + Word.Kept] = kept + more;
    return true;
  }

  /** Hands on what is kept and `more` bytes after it. */
  private join(session: number, direction: number, mem: Uint8Array, from: number, more: number, isCut: boolean): Parsed {
    const { memory } = this;
    const { words } = this.sessions;
    const at = session * Session.Words + Session.Parser + direction;
    const kept = words[at + Word.Kept];
    const source = words[at + Word.Buffer] !== 0 ? words[at + Word.Buffer] - 1 : memory.keptAt(session, direction);
    const to = memory.scratch(kept + more);
    if (to < 0) {
      this.counters[Counter.AppNoRoom]++;
      this.clear(session, direction);
      return Parsed.Go;
    }
    const { bytes } = memory;
    bytes.copyWithin(to, source, source + kept);
    for (let i = 0; i < more; i++) bytes[to + kept + i] = mem[from + i];
    this.clear(session, direction);
    return this.sink.line(session, direction, bytes, memory.region, to, kept + more, isCut);
  }
}

/** The code that a line of a reply begins with (FTP, SMTP): three digits, or -1. */
export function replyCode(mem: Uint8Array, off: number, len: number): number {
  if (len < 3) return -1;
  let code = 0;
  for (let i = 0; i < 3; i++) {
    const digit = mem[off + i] - 0x30;
    if (digit < 0 || digit > 9) return -1;
    code = code * 10 + digit;
  }
  return code;
}
