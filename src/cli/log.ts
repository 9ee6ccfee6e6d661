import { existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, isAbsolute, join } from 'node:path';
import { SluiceError } from '../errors.js';

/**
 * What the engine says of itself, in Suricata's plain style on stderr (`Notice: sluice: text`), and in a file
 * through pino when `logging.outputs` has one. Never called for a packet.
 */
export interface Log {
  error(text: string): void;
  warn(text: string): void;
  notice(text: string): void;
  info(text: string): void;
  debug(text: string): void;
  /** Opens the file anew: after it was rotated away (SIGHUP). */
  reopen(): void;
  close(): void;
}

export type LogLevelName = 'emergency' | 'alert' | 'critical' | 'error' | 'warning' | 'notice' | 'info' | 'perf' | 'config' | 'debug';

export interface LogOptions {
  /** undefined = off. Errors are always shown. */
  console?: LogLevelName;
  file?: { level: LogLevelName; filename: string; append: boolean };
  /** Folder of a relative file name. */
  logDir?: string;
  /** How often -v was given: raises both levels, never lowers them. */
  verbosity?: number;
  /** Where console lines go: stderr unless a test says otherwise. */
  write?: (line: string) => void;
}

/** From severe to chatty. */
const LEVELS: readonly LogLevelName[] = ['emergency', 'alert', 'critical', 'error', 'warning', 'notice', 'info', 'perf', 'config', 'debug'];
/** What is said, as opposed to the thresholds a configuration may name. */
type Said = 'error' | 'warning' | 'notice' | 'info' | 'debug';
const NAMES: Record<Said, string> = { error: 'Error', warning: 'Warning', notice: 'Notice', info: 'Info', debug: 'Debug' };
/** By pino's names of levels. */
const LOG_LEVEL: Record<string, string> = { ...NAMES, warn: NAMES.warning };
const NOTICE = LEVELS.indexOf('notice');

/** -v is info, -vv perf, -vvv config, -vvvv debug. */
function threshold(level: LogLevelName, verbosity: number): number {
  const wanted = verbosity === 0 ? 0 : Math.min(NOTICE + verbosity, LEVELS.length - 1);
  return Math.max(LEVELS.indexOf(level), wanted);
}

interface FileSink {
  level: number;
  write(level: Said, text: string): void;
  reopen(): void;
  close(): void;
}

function openFile(file: NonNullable<LogOptions['file']>, logDir: string, verbosity: number): FileSink {
  const path = isAbsolute(file.filename) ? file.filename : join(logDir, file.filename);
  // pino costs 15 ms to load: only a log file needs it, and only here.
  const pino = createRequire(import.meta.url)('pino') as typeof import('pino').default;
  let destination: ReturnType<typeof pino.destination>;
  try {
    // `filename: logs/sluice.log`: the folder below the log folder is ours to make.
    if (!isAbsolute(file.filename) && existsSync(logDir)) mkdirSync(dirname(path), { recursive: true });
    destination = pino.destination({ dest: path, append: file.append, sync: true });
  } catch (error) {
    throw new SluiceError(
      'SLUICE_CONFIG',
      `logging: cannot open ${path}: ${(error as Error).message}; choose a folder that exists and can be written`,
    );
  }
  // A full disk must not take the engine down; the console still has the line.
  destination.on('error', () => {});
  const logger = pino(
    {
      base: null,
      level: 'trace',
      customLevels: { notice: 35 },
      formatters: { level: (name) => ({ log_level: LOG_LEVEL[name] }) },
      timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
    },
    destination,
  );
  return {
    level: threshold(file.level, verbosity),
    write: (level, text) => logger[level === 'warning' ? 'warn' : level]({ event_type: 'engine', engine: { message: text } }),
    reopen: () => destination.reopen(),
    close: () => {
      destination.flushSync();
      destination.end();
    },
  };
}

/** Throws SLUICE_CONFIG when the file cannot be opened. */
export function createLog(options: LogOptions = {}): Log {
  const verbosity = options.verbosity ?? 0;
  const console =
    options.console === undefined && verbosity === 0 ? LEVELS.indexOf('error') : threshold(options.console ?? 'error', verbosity);
  const write = options.write ?? ((line: string) => void process.stderr.write(line));
  let file = options.file ? openFile(options.file, options.logDir ?? '.', verbosity) : undefined;
  const say = (level: Said, text: string) => {
    const rank = LEVELS.indexOf(level);
    const line = text.replace(/\s*\n\s*/g, ' ');
    if (rank <= console) write(`${NAMES[level]}: sluice: ${line}\n`);
    if (file && rank <= file.level) file.write(level, line);
  };
  return {
    error: (text) => say('error', text),
    warn: (text) => say('warning', text),
    notice: (text) => say('notice', text),
    info: (text) => say('info', text),
    debug: (text) => say('debug', text),
    reopen: () => file?.reopen(),
    close: () => {
      file?.close();
      file = undefined;
    },
  };
}
