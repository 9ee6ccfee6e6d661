import { MIME_OPTIONS, type MimeOptions } from '../mime/layout.js';

/** What a configuration says of SMTP. Plain data. */
export interface SmtpOptions {
  mime: MimeOptions;
  /** The whole message is one file, called rawmsg; nothing of it is decoded then. */
  raw: boolean;
  eve: SmtpEveOptions;
}

/** What `types: - smtp: {...}` of an eve-log says. Plain data. */
export interface SmtpEveOptions {
  /** Headers that records show beside From, To and Cc: names in mime/layout.ts. */
  headers: readonly string[];
  subjectMd5: boolean;
  bodyMd5: boolean;
}
export const SMTP_EVE_OPTIONS: SmtpEveOptions = { headers: [], subjectMd5: false, bodyMd5: false };

/** What `extended: yes` brings (user guide, "Eve JSON Output", SMTP). */
export const EXTENDED_HEADERS: readonly string[] = ['bcc', 'message-id', 'subject', 'x-mailer', 'user-agent'];
export const SMTP_OPTIONS: SmtpOptions = { mime: MIME_OPTIONS, raw: false, eve: SMTP_EVE_OPTIONS };
