#!/usr/bin/env node
// Plain JavaScript on purpose: an old Node must be able to parse it in order to say what to do.
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(
    `onceward: needs Node 22.19 or newer, this is ${process.versions.node}.\n` +
      'Run it through npm, which uses the Node that is pinned in the lock file:\n' +
      '  npm start -- run --upstream http://127.0.0.1:3000\n' +
      '  npx onceward --help\n',
  );
  process.exitCode = 2;
} else {
  const { main } = await import('../src/main.ts');
  process.exitCode = await main(process.argv.slice(2));
}
