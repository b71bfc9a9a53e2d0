// The smallest server that node:http can make, as the baseline for the agent's answers: PORT CONTENT-TYPE BODY.
import { createServer } from 'node:http';

const [port, type = '', body = ''] = process.argv.slice(2);
createServer((_request, response) => {
  response.writeHead(200, { 'content-type': type }).end(body);
}).listen(Number(port), '127.0.0.1', () => console.log('listening'));
