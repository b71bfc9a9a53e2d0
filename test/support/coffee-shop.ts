import { ComposeProject } from './compose-project.js';
import type { DockerEngine } from './docker-engine.js';

/** The reference application of DESIGN.md on two engines, for `createComposePair`. Its images are built. */
export const coffeeShop = (engines: Record<'vcl2' | 'vcl3', DockerEngine>) => ({
  createProject: async (
    name: 'vcl2' | 'vcl3',
    directory: string,
    appPort: number,
  ): Promise<ComposeProject> => {
    const env = { APP_PORT: appPort, DB_PASSWORD: 'flat-white-7' };
    const project = await ComposeProject.create('coffee', directory, engines[name], env);
    await project.compose('build', '--quiet', 'app');
    return project;
  },
  healthPath: '/coffees',
});
