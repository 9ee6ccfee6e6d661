export interface Options {
  peer: string;
  seconds: number;
  rounds: number;
  /** Names of tests; empty: all. */
  only: string[];
}

export interface Test<D extends string> {
  name: string;
  devices: readonly D[];
  /** Default: as many as the options say. */
  rounds?: number;
  measure(device: D): Promise<Record<string, number>>;
  /** The device that another is compared with; default: the first floor of the test. */
  floor?(device: D): D;
}

export interface Row {
  test: string;
  device: string;
  /** The device it is compared with. */
  floor: string;
  /** Median over the rounds, by name. */
  values: Record<string, number>;
}

/** Runs the tests; in each round every device in turn, so that what drifts is shared. */
export async function rounds<D extends string>(tests: Test<D>[], options: Options, say: (line: string) => void): Promise<Row[]> {
  const unknown = options.only.find((name) => tests.every((test) => test.name !== name));
  if (unknown !== undefined) throw new Error(`no test '${unknown}'; there are ${tests.map((test) => test.name).join(' ')}`);
  const rows: Row[] = [];
  for (const test of tests) {
    if (options.only.length > 0 && !options.only.includes(test.name)) continue;
    const count = test.rounds ?? options.rounds;
    const results = new Map<D, Record<string, number>[]>(test.devices.map((device) => [device, []]));
    for (let round = 0; round < count; round++)
      for (const device of test.devices) {
        const values = await test.measure(device);
        results.get(device)?.push(values);
        say(`${test.name} ${device} (${round + 1}/${count}): ${show(values)}`);
      }
    const first = test.devices.find((device) => device.startsWith('floor')) ?? '';
    for (const [device, list] of results)
      rows.push({ test: test.name, device, floor: test.floor?.(device) ?? first, values: medians(list) });
  }
  return rows;
}

function medians(list: Record<string, number>[]): Record<string, number> {
  const result: Record<string, number> = {};
  for (const key of Object.keys(list[0] ?? {})) {
    const sorted = list.map((values) => values[key]).sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    result[key] = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }
  return result;
}

/** Every value, and in brackets its ratio to the floor's of the same test. */
export function table(rows: Row[]): string {
  let text = '';
  for (const test of new Set(rows.map((row) => row.test))) {
    const mine = rows.filter((row) => row.test === test);
    const keys = Object.keys(mine[0].values);
    const lines = [
      [test, ...keys],
      ...mine.map((row) => {
        const floor = mine.find((other) => other.device === row.floor);
        return [
          row.device,
          ...keys.map((key) => {
            const base = floor?.values[key];
            const ratio = base && row !== floor && !key.includes('%') ? ` (${(row.values[key] / base).toFixed(2)})` : '';
            return `${format(row.values[key])}${ratio}`;
          }),
        ];
      }),
    ];
    const widths = lines[0].map((_, i) => Math.max(...lines.map((line) => line[i].length)));
    for (const line of lines)
      text += `${line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('   ')}\n`;
    text += '\n';
  }
  return text;
}

function show(values: Record<string, number>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key} ${format(value)}`)
    .join(', ');
}

function format(value: number): string {
  return Math.abs(value) >= 1000 ? String(Math.round(value)) : Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2);
}
