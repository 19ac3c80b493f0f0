// A payments API without any protection against repeats: every POST that arrives makes a payment.
// No dependencies; HOST and PORT say where it listens (127.0.0.1:3000).
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';

const BODY_BYTES_MAX = 64 * 1024;
const PAYMENTS_MAX = 10_000;
const payments = new Map();

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://backend');
  if (pathname === '/healthz') return answer(response, 200, { status: 'ok' });
  if (pathname === '/v1/payments' && request.method === 'GET')
    return answer(response, 200, { count: payments.size });
  if (pathname === '/v1/payments' && request.method === 'POST') return create(request, response);
  const found = payments.get(pathname.replace('/v1/payments/', ''));
  if (found !== undefined && request.method === 'GET') return answer(response, 200, found);
  return answer(response, 404, { error: 'not found' });
});

function create(request, response) {
  let text = '';
  request.setEncoding('utf8');
  request.on('data', (chunk) => {
    text += chunk;
    if (text.length > BODY_BYTES_MAX) request.destroy();
  });
  request.on('end', () => {
    const amount = amountOf(text);
    if (amount === null) return answer(response, 400, { error: 'send {"amount": cents}' });
    if (payments.size >= PAYMENTS_MAX)
      return answer(response, 503, { error: 'this example keeps no more payments' });
    const payment = { id: randomUUID(), amount, attempt: request.headers['onceward-attempt'] ?? null };
    payments.set(payment.id, payment);
    return answer(response, 201, payment, { Location: `/v1/payments/${payment.id}` });
  });
}

function amountOf(text) {
  try {
    const { amount } = JSON.parse(text);
    return Number.isSafeInteger(amount) && amount > 0 ? amount : null;
  } catch {
    return null;
  }
}

function answer(response, status, value, headers = {}) {
  const body = JSON.stringify(value);
  response.writeHead(status, {
    ...headers,
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
  });
  response.end(body);
}

// What is under way ends first; kept-alive connections without a request would hold the process for ever.
function stop() {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
}
process.on('SIGTERM', stop);
process.on('SIGINT', stop);

server.listen(Number(process.env.PORT ?? 3000), process.env.HOST ?? '127.0.0.1', () => {
  const { address, port } = server.address();
  console.log(JSON.stringify({ msg: 'listening', address, port }));
});
