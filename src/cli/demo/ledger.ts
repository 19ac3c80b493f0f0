import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DatabaseSync } from 'node:sqlite';

/** A payments backend that knows nothing of idempotency: every POST is a charge in a real SQLite ledger. */
export type LedgerBackend = {
  readonly port: number;
  charges(): number;
  /** How the backend treats the answer to its next charges: `die` breaks the connection after every other commit. */
  setMood(mood: 'healthy' | 'die'): void;
  clear(): void;
  close(): Promise<void>;
};

export async function startLedger(file: string): Promise<LedgerBackend> {
  const database = new DatabaseSync(file);
  database.exec(
    'CREATE TABLE charge (id INTEGER PRIMARY KEY AUTOINCREMENT, amount INTEGER NOT NULL, customer TEXT NOT NULL)',
  );
  const insert = database.prepare('INSERT INTO charge (amount, customer) VALUES (?, ?)');
  const count = database.prepare('SELECT count(*) AS charges FROM charge');
  let mood: 'healthy' | 'die' = 'healthy';
  let answers = 0;

  function charge(body: string, request: IncomingMessage, response: ServerResponse): void {
    const { amount, customer } = parseCharge(body);
    const { lastInsertRowid } = insert.run(amount, customer);
    answers += 1;
    if (mood === 'die' && answers % 2 === 1) {
      request.socket.destroy();
      return;
    }
    const receipt = JSON.stringify({ charge: Number(lastInsertRowid), amount, customer });
    response.writeHead(201, {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(receipt),
    });
    response.end(receipt);
  }

  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => charge(body, request, response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    // A server that listens on TCP has an AddressInfo.
    port: (server.address() as AddressInfo).port,
    charges() {
      return Number(count.get()?.charges ?? 0);
    },
    setMood(next) {
      mood = next;
      answers = 0;
    },
    clear() {
      database.exec('DELETE FROM charge');
      answers = 0;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      database.close();
    },
  };
}

function parseCharge(body: string): { readonly amount: number; readonly customer: string } {
  const parsed: unknown = JSON.parse(body);
  if (typeof parsed !== 'object' || parsed === null) return { amount: 0, customer: '' };
  const amount = 'amount' in parsed && typeof parsed.amount === 'number' ? parsed.amount : 0;
  const customer = 'customer' in parsed && typeof parsed.customer === 'string' ? parsed.customer : '';
  return { amount, customer };
}
