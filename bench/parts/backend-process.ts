import { createServer } from 'node:http';

/** A child process: a backend that answers at once, so that what is measured is the hop before it. Prints its port. */

const ANSWER = Buffer.from(JSON.stringify({ id: 'ch_1', status: 'succeeded', note: 'y'.repeat(200) }));

const server = createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': ANSWER.byteLength });
    response.end(ANSWER);
  });
});
server.keepAliveTimeout = 120_000;
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${typeof address === 'object' && address !== null ? address.port : 0}\n`);
});
