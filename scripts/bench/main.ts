import { DockerEngine } from '../../test/support/docker-engine.js';
import { Shop } from './shop.js';
import { SIZES } from './sizes.js';

const [vcl2, vcl3] = await Promise.all([DockerEngine.start(), DockerEngine.start()]);
console.log('engines');
try {
  for (const size of SIZES.filter(({ name }) => process.argv.slice(2).includes(name))) {
    const began = Date.now();
    const shop = await Shop.open({ vcl2, vcl3 }, size);
    try {
      console.log(
        size.name,
        'opened',
        Date.now() - began,
        await shop.vcl2.project.exec('db', [
          'psql',
          '-U',
          'postgres',
          '-Atc',
          "select pg_database_size('coffee_dev')",
        ]),
      );
      await shop.order(shop.vcl2);
      await shop.backUp();
      for (let i = 0; i < 2; i++) {
        const dead = Date.now();
        if (i === 0) {
          void shop.vcl2.agent.kill();
          await vcl2.losePower();
        } else {
          process.kill(shop.vcl2.agent.pid!, 'SIGSTOP');
          vcl2.hang();
        }
        console.log('lost', Date.now() - dead);
        const right = await shop.firstAnswer(shop.vcl3);
        console.log('right after', right - dead);
        await shop.serves(shop.vcl3);
        const promote = await shop.vcl3.lastOperation('promote', 'done');
        console.log('op', Date.parse(promote!.startedAt) - dead, promote!.result);
        for (const s of promote!.steps)
          console.log(
            s.name,
            Date.parse(s.startedAt) - dead,
            Date.parse(s.endedAt!) - Date.parse(s.startedAt),
            s.detail,
          );
        await shop.order(shop.vcl3);
        if (i === 1) {
          await shop.vcl2.agent.kill();
          await vcl2.losePower();
        }
        await vcl2.boot();
        await shop.vcl2.agent.start();
        await shop.standsBy(shop.vcl2);
        const handover = await shop.run(shop.vcl3, '/demote');
        for (const s of handover.steps)
          console.log(s.name, Date.parse(s.endedAt!) - Date.parse(s.startedAt), s.detail);
        await shop.serves(shop.vcl2);
        await shop.backUp();
      }
    } finally {
      await shop.close();
    }
  }
} finally {
  await Promise.all([vcl2.remove(), vcl3.remove()]);
}
