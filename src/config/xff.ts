/** `xff` of an eve-log, of its alerts, of the file-store (user guide, "Suricata.yaml", "X-Forwarded-For"). */
import type { Context } from './context.js';
import { shown } from './tree.js';
import { choice, section, text, truth } from './values.js';

export interface XffConfig {
  /** A field of its own; or in place of the client's address. */
  mode: 'extra-data' | 'overwrite';
  /** Which of several counts: the last; the first. */
  deployment: 'reverse' | 'forward';
  /** Name of the header that proxies fill. */
  header: string;
}

const xff = section({
  enabled: truth(false),
  mode: choice<XffConfig['mode']>('extra-data', ['extra-data', 'overwrite']),
  deployment: choice<XffConfig['deployment']>('reverse', ['reverse', 'forward']),
  header: text('X-Forwarded-For'),
});

/** Name of a header (RFC 9110, 5.6.2), of any length that is in use. */
const NAME = /^[!#$%&'*+\-.^_`|~\w]{1,128}$/;

/** undefined: the section at `path` is not there; null: it says no. */
export function readXff(context: Context, path: readonly string[]): XffConfig | null | undefined {
  if (context.find(path) === undefined) return undefined;
  const { enabled, ...rest } = context.read(path, xff);
  if (!NAME.test(rest.header))
    context.bad(
      context.find([...path, 'header'])!,
      [...path, 'header'],
      `is ${shown(rest.header)}`,
      "a header's name, such as X-Forwarded-For",
    );
  return enabled ? rest : null;
}
