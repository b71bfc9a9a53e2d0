// The temporary server of an image's first run: it lets everybody in, as pg_isready finds, and is not the database.
import { createServer } from 'node:net';

const SSL_REQUEST = 80877103;
const authenticationOk = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0]);
const readyForQuery = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

createServer((socket) => {
  socket.on('error', () => {});
  let isIn = false;
  socket.on('data', (data) => {
    if (isIn) return;
    if (data.length === 8 && data.readInt32BE(4) === SSL_REQUEST) return socket.write('N');
    isIn = true;
    socket.write(Buffer.concat([authenticationOk, readyForQuery]));
  });
}).listen(Number(process.env.PORT), '127.0.0.1');
