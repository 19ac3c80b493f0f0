import { createServer, type ServerHttp2Stream } from 'node:http2';
import process from 'node:process';

/**
 * A backend of HTTP/2 without TLS, a process of its own: `h2-backend-worker.ts PORT silent|answering`. A line on stdout
 * with the key follows each request that has come whole.
 */

const [port = '0', manner = ''] = process.argv.slice(2);

const server = createServer();
server.on('stream', (stream: ServerHttp2Stream, headers) => {
  stream.on('error', () => undefined);
  stream.resume();
  stream.on('end', () => {
    process.stdout.write(`${headers['idempotency-key']}\n`);
    if (manner === 'answering') {
      stream.respond({ ':status': 201 });
      stream.end('done');
    }
  });
});
server.listen(Number(port), '127.0.0.1', () => process.stdout.write('ready\n'));
