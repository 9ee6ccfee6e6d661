import { HEADERS, KEPT_HEADERS, MIME_OPTIONS } from '../app-layer/mime/layout.js';
import { EXTENDED_HEADERS, SMTP_EVE_OPTIONS, type SmtpEveOptions, type SmtpOptions } from '../app-layer/smtp/options.js';
import type { Context } from './context.js';
import { section, size, texts, truth } from './values.js';

const PATH = ['app-layer', 'protocols', 'smtp'];
const KB = 1024;

const mime = section(
  {
    'decode-mime': truth(MIME_OPTIONS.decode),
    'decode-base64': truth(MIME_OPTIONS.base64),
    'decode-quoted-printable': truth(MIME_OPTIONS.quotedPrintable),
    'header-value-depth': size(MIME_OPTIONS.headerDepth, 0, 16 * KB),
    'extract-urls': truth(MIME_OPTIONS.urls),
    'extract-urls-schemes': texts('schemes'),
    'log-url-scheme': truth(MIME_OPTIONS.urlScheme),
    'body-md5': truth(MIME_OPTIONS.bodyMd5),
  },
  [],
);
const eve = section({ extended: truth(false), custom: texts('headers'), md5: texts('body, subject') }, ['enabled']);

/** Bytes are inspected as they come: nothing waits for a least size, and the window is what FileWindows keeps. */
const tracker = section({ 'content-limit': size(0, 0, 1 << 30) }, ['content-inspect-min-size', 'content-inspect-window']);

/**
 * `app-layer.protocols.smtp` (user guide, "Suricata.yaml"). Without `inspected-tracker` all of a file is inspected (Suricata: 100,000 bytes).
 */
export function readSmtp(context: Context, eveOptions: SmtpEveOptions = SMTP_EVE_OPTIONS): SmtpOptions {
  const read = context.read([...PATH, 'mime'], mime);
  const schemes = read['extract-urls-schemes'].map((scheme) => scheme.toLowerCase().replace(/:\/\/$/, ''));
  const raw = context.read([...PATH, 'raw-extraction'], truth(false));
  return {
    // As in Suricata, who wants messages decoded gets no whole ones.
    raw: raw && !read['decode-mime'],
    eve: eveOptions,
    mime: {
      decode: read['decode-mime'],
      base64: read['decode-base64'],
      quotedPrintable: read['decode-quoted-printable'],
      headerDepth: read['header-value-depth'] || MIME_OPTIONS.headerDepth,
      urls: read['extract-urls'],
      urlSchemes: schemes.length > 0 ? schemes : MIME_OPTIONS.urlSchemes,
      urlScheme: read['log-url-scheme'],
      bodyMd5: read['body-md5'],
      inspect: context.read([...PATH, 'inspected-tracker'], tracker)['content-limit'],
    },
  };
}

const NAMES = HEADERS.slice(0, KEPT_HEADERS).map((name) => String.fromCharCode(...name));

/** `types: - smtp: {extended, custom, md5}` of an eve-log. */
export function readSmtpEve(context: Context, path: readonly string[]): SmtpEveOptions {
  const node = context.find(path);
  if (node === undefined || node.children.size === 0) return SMTP_EVE_OPTIONS;
  const read = context.read(path, eve);
  const custom = read.custom.map((name) => name.toLowerCase().replaceAll('_', '-')).filter((name) => NAMES.includes(name));
  return {
    headers: [...new Set([...(read.extended ? EXTENDED_HEADERS : []), ...custom])],
    subjectMd5: read.md5.includes('subject'),
    bodyMd5: read.md5.includes('body'),
  };
}
