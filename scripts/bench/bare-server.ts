// The least that node:http can do: PORT CONTENT-TYPE BODY. What the agent's own answers are compared with.
import { createServer } from 'node:http';

const [port, type = '', body = ''] = process.argv.slice(2);
createServer((_request, response) => {
  response.writeHead(200, { 'content-type': type }).end(body);
}).listen(Number(port), '127.0.0.1', () => console.log('listening'));
