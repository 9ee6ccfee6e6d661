// Sets up everything Sluice needs, from a bare clone on: Debian packages, node_modules, the addon,
// the compiled TypeScript. Plain Node, no dependency. Does only what is missing or out of date, and
// is silent when nothing is.
//
//   node scripts/setup.mjs [lab|test|bench] [--only packages|modules|native|typescript] [--asan]
//
// Each step leaves a stamp with a hash of its inputs; a step whose stamp fits is skipped. Steps that
// do something run under a lock, so that two runs in one tree do not collide.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const SYSTEM_PATH = `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`;
const INCLUDES = ['/usr/include', '/usr/local/include'];

const program = (name) => () => SYSTEM_PATH.split(':').some((folder) => folder !== '' && existsSync(join(folder, name)));
const header = (name) => () => INCLUDES.some((folder) => existsSync(join(folder, name)));

// Debian package, what shows that it (or something as good) is there.
const BUILD = [
  ['g++', program('g++')],
  ['make', program('make')],
  ['python3', program('python3')],
  ['libvectorscan-dev', header('hs/hs.h')],
  ['libpcre2-dev', header('pcre2.h')],
];
const LAB = [
  ['iproute2', program('ip')],
  ['nginx-light', program('nginx')],
  ['curl', program('curl')],
  ['iperf3', program('iperf3')],
  ['ethtool', program('ethtool')],
  ['procps', program('sysctl')],
];
const NETFILTER = [['iptables', program('iptables')]];
const TEST = [
  ['tcpdump', program('tcpdump')],
  ['util-linux', program('flock')],
  ['nftables', program('nft')],
  ['ipset', program('ipset')],
  ['vsftpd', program('vsftpd')],
  ['ftp', program('ftp')],
];
const PACKAGES = {
  setup: BUILD,
  lab: [...BUILD, ...LAB],
  bench: [...BUILD, ...LAB, ...NETFILTER],
  test: [...BUILD, ...LAB, ...NETFILTER, ...TEST],
};
/** Packages that bring a service, by its name: only their program is wanted. */
const SERVICES = { 'nginx-light': 'nginx', vsftpd: 'vsftpd' };

class Failed extends Error {}

/** Files below the folders that `wanted` accepts, as sorted paths relative to the root. */
function filesBelow(folders, wanted) {
  const found = [];
  for (const folder of folders) {
    if (!existsSync(join(ROOT, folder))) continue;
    for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true, recursive: true })) {
      const path = relative(ROOT, join(entry.parentPath ?? entry.path, entry.name));
      if (entry.isFile() && wanted(path)) found.push(path);
    }
  }
  return found.sort();
}

function hashOf(files, ...more) {
  const hash = createHash('sha256').update(JSON.stringify(more));
  for (const file of files) hash.update(`\0${file}\0`).update(readFileSync(join(ROOT, file)));
  return hash.digest('hex');
}

const readStamp = (file) => (existsSync(join(ROOT, file)) ? readFileSync(join(ROOT, file), 'utf8') : '');
const writeStamp = (file, text) => writeFileSync(join(ROOT, file), text);

/** Runs a tool quietly; its output is shown only when it fails. */
function run(command, args, { mend, cwd = ROOT, env = process.env }) {
  const result = spawnSync(command, args, { cwd, env, encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'pipe'] });
  if (result.status === 0) return;
  process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
  const why = result.error?.message ?? (result.signal ? `ended by ${result.signal}` : `exit status ${result.status}`);
  throw new Failed(`${command} ${args.slice(0, 3).join(' ')} failed (${why}); ${mend}`);
}

// A step: `due()` tells in a few words what there is to do, '' for nothing; `run()` does it.

function packages(mode) {
  const missing = () => PACKAGES[mode].filter(([, there]) => !there()).map(([name]) => name);
  return {
    due: () => (missing().length > 0 ? `installing ${missing().join(' ')}` : ''),
    run() {
      const names = missing();
      const line = `apt-get install -y --no-install-recommends ${names.join(' ')}`;
      const root = process.getuid() === 0;
      const sudo = !root && program('sudo')() && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0;
      if (!program('apt-get')()) throw new Failed(`missing: ${names.join(' ')}; install them (Debian's package names) and start again`);
      if (!root && !sudo) throw new Failed(`missing: ${names.join(' ')}; install them with: sudo ${line}`);
      // Installing a server would start it, now and at each boot; the lab and the tests only want the program.
      const services = names.map((name) => SERVICES[name]).filter(Boolean);
      const script = `set -e
        export DEBIAN_FRONTEND=noninteractive
        if [ ! -e /usr/sbin/policy-rc.d ]; then
          trap 'rm -f /usr/sbin/policy-rc.d' EXIT
          printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
          chmod 755 /usr/sbin/policy-rc.d
        fi
        wait='-o DPkg::Lock::Timeout=600'
        ${line} $wait || { apt-get update && ${line} $wait; }
        ${services.length > 0 ? `if command -v systemctl >/dev/null; then systemctl disable ${services.join(' ')} >/dev/null 2>&1 || true; fi` : ''}`;
      const [command, ...before] = root ? ['sh'] : ['sudo', '-n', 'sh'];
      run(command, [...before, '-c', script], { mend: `install by hand: ${root ? '' : 'sudo '}${line}` });
      if (missing().length > 0) throw new Failed(`still missing after apt-get: ${missing().join(' ')}; install them by hand`);
    },
  };
}

/** True when what npm put into node_modules is what the lock file asks for, whoever ran npm. */
function modulesFitLock() {
  const installed = join(ROOT, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return false;
  const have = JSON.parse(readFileSync(installed, 'utf8')).packages ?? {};
  const want = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages ?? {};
  const fits = (path) => have[path]?.version === want[path]?.version && existsSync(join(ROOT, path));
  return Object.keys(want).every((path) => path === '' || (want[path].optional && !have[path]) || fits(path));
}

function modules() {
  const stamp = 'node_modules/.sluice-stamp';
  const wanted = () => hashOf(['package-lock.json']);
  return {
    due() {
      if (readStamp(stamp) === wanted()) return '';
      if (!modulesFitLock()) return 'npm ci';
      writeStamp(stamp, wanted());
      return '';
    },
    run() {
      run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund'], { mend: 'check the network and the npm registry, then start again' });
      writeStamp(stamp, wanted());
    },
  };
}

const isNativeSource = (path) => /\.(cc|h|gyp)$/.test(path) && !path.startsWith(`native${sep}build`);

function native(asan) {
  // node-gyp builds only in place: the checked build has its own copy of the sources.
  const folder = asan ? 'native/build-asan/src' : 'native';
  const stamp = `${folder}/build/.sluice-stamp`;
  const addon = `${folder}/build/Release/sluice.node`;
  const sources = () => filesBelow(['native'], isNativeSource);
  const runtime = `${process.version} ${process.arch}`;
  const wanted = () => `${runtime} ${hashOf(sources(), asan)}`;
  return {
    due: () =>
      existsSync(join(ROOT, addon)) && readStamp(stamp) === wanted() ? '' : `building the addon${asan ? ' with AddressSanitizer' : ''}`,
    run() {
      const hash = wanted();
      if (asan) {
        for (const source of filesBelow([folder], (path) => /\.(cc|h)$/.test(path))) rmSync(join(ROOT, source));
        for (const source of sources())
          cpSync(join(ROOT, source), join(ROOT, folder, relative('native', source)), { preserveTimestamps: true });
      }
      const mend = `mend the error above (a C++20 compiler is needed), or start afresh: rm -r ${folder}/build`;
      const gyp = (...args) =>
        run(process.execPath, [join(ROOT, 'node_modules/node-gyp/bin/node-gyp.js'), ...args], { cwd: join(ROOT, folder), mend });
      const prefix = dirname(dirname(process.execPath));
      // With the headers beside this Node nothing is fetched.
      const headers = existsSync(join(prefix, 'include/node/node_api.h')) ? [`--nodedir=${prefix}`] : [];
      if (!readStamp(stamp).startsWith(`${runtime} `)) rmSync(join(ROOT, folder, 'build'), { recursive: true, force: true });
      rmSync(join(ROOT, stamp), { force: true });
      // Two calls: what follows -- would reach make as well.
      gyp('configure', ...headers, ...(asan ? ['--', '-Dsluice_asan=1'] : []));
      gyp('build', '--jobs=max', ...headers);
      writeStamp(stamp, hash);
    },
  };
}

function typescript() {
  const stamp = 'dist/.sluice-stamp';
  const sources = () => filesBelow(['src', 'bench', 'conformance', 'grafana', 'test'], (path) => path.endsWith('.ts'));
  const wanted = () => hashOf([...sources(), 'tsconfig.json', 'package-lock.json']);
  return {
    due: () => (readStamp(stamp) === wanted() ? '' : 'compiling TypeScript'),
    run() {
      const hash = wanted();
      rmSync(join(ROOT, stamp), { force: true });
      // Output of a source that is gone would still be imported, or run as a test.
      const expected = new Set(sources().map((path) => join('dist', path.replace(/\.ts$/, '.js'))));
      const stale = (path) => /\.js(\.map)?$/.test(path) && !expected.has(path.replace(/\.map$/, ''));
      for (const path of filesBelow(['dist'], stale)) rmSync(join(ROOT, path));
      // Incremental compilation knows the sources, not whether its output is still there.
      if ([...expected].some((path) => !existsSync(join(ROOT, path)))) rmSync(join(ROOT, 'dist/.tsbuildinfo'), { force: true });
      run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json'], { mend: 'mend the errors above' });
      writeStamp(stamp, hash);
    },
  };
}

/** Waits for the lock of this tree. The kernel frees it when this process ends, however it ends. */
function lock() {
  if (!program('flock')()) return;
  mkdirSync(join(ROOT, 'dist'), { recursive: true });
  const fd = openSync(join(ROOT, 'dist/.setup-lock'), 'w');
  const flock = (...flags) => spawnSync('flock', [...flags, '3'], { stdio: ['ignore', 'ignore', 'inherit', fd] }).status === 0;
  if (flock('-n')) return;
  console.error('setup: waiting for another setup in this tree to end');
  if (!flock('-w', '900')) throw new Failed('another setup in this tree has not ended for 15 minutes; end it and start again');
}

function main(args) {
  const asan = args.includes('--asan');
  const only = args.includes('--only') ? args[args.indexOf('--only') + 1] : '';
  const mode = args.find((arg, i) => !arg.startsWith('-') && args[i - 1] !== '--only') ?? 'setup';
  if (!Object.hasOwn(PACKAGES, mode)) throw new Failed(`'${mode}' is not known; one of ${Object.keys(PACKAGES).join(', ')}`);
  const steps = { packages: packages(mode), modules: modules(), native: native(asan), typescript: typescript() };
  if (only !== '' && !Object.hasOwn(steps, only))
    throw new Failed(`--only '${only}' is not known; one of ${Object.keys(steps).join(', ')}`);
  // A step needs the ones before it, except the compiler, which needs no addon.
  const chain = {
    packages: ['packages'],
    modules: ['modules'],
    native: ['packages', 'modules', 'native'],
    typescript: ['modules', 'typescript'],
  };
  let locked = false;
  for (const name of chain[only] ?? Object.keys(steps)) {
    if (steps[name].due() === '') continue;
    // apt has a lock of its own, and may be all that a person without the right to write here needs.
    if (!locked && name !== 'packages') {
      lock();
      locked = true;
    }
    const what = steps[name].due();
    if (what === '') continue;
    const start = performance.now();
    console.error(`setup: ${what} ...`);
    steps[name].run();
    console.error(`setup: ${what}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
  }
}

try {
  main(process.argv.slice(2));
} catch (error) {
  const denied = error.code === 'EACCES' || error.code === 'EROFS';
  if (!(error instanceof Failed) && !denied) throw error;
  console.error(`setup: ${error.message}${denied ? '; run it as the owner of this tree' : ''}`);
  process.exitCode = 1;
}
