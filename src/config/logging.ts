import type { Context } from './context.js';
import type { LogLevel } from './schema.js';
import * as schema from './schema.js';
import { at, shown } from './tree.js';

/** `logging:` — what the engine says of itself (user guide, "Logging"). */
export interface LoggingConfig {
  defaultLevel: LogLevel;
  console: { enabled: boolean; level: LogLevel };
  /** `filename` relative to the log folder. */
  file: { enabled: boolean; level: LogLevel; filename: string; append: boolean };
}

export function readLogging(context: Context): LoggingConfig {
  const defaultLevel = context.read(['logging'], schema.logging)['default-log-level'];
  const path = ['logging', 'outputs'];
  let console = context.read(['logging', ''], schema.logConsole);
  let file = context.read(['logging', ''], schema.logFile);
  const list = context.find(path);
  if (list !== undefined && list.value !== '') {
    if (list.value !== null) context.bad(list, path, `is ${shown(list.value)}`, `a list of '- console: {...}', '- file: {...}'`);
    for (const [key, item] of list.children) {
      for (const name of list.isSequence ? [...item.children.keys()] : [key]) {
        const at_ = list.isSequence ? [...path, key, name] : [...path, key];
        if (name === 'console') console = context.read(at_, schema.logConsole);
        else if (name === 'file') file = context.read(at_, schema.logFile);
        else if (name !== 'syslog') context.warnings.push(`${at(item)}: unknown key ${shown(at_.join('.'))} is ignored`);
      }
    }
  }
  return {
    defaultLevel,
    console: { enabled: console.enabled, level: console.level === '' ? defaultLevel : console.level },
    file: { ...file, level: file.level === '' ? defaultLevel : file.level },
  };
}
