import { posix } from 'node:path';
import type { Config } from '../../src/config/config.js';
import type { Inventory, Layout } from './inventory.js';

interface Parts {
  inventory: Pick<Inventory, 'runAs' | 'writable'>;
  layout: Layout;
  config: Pick<Config, 'NODE_NAME' | 'STACK' | 'STATE_DIR' | 'BACKUP_DIR' | 'COMPOSE_COMMAND'>;
  /** Node on that machine. */
  node: string;
}

/** The systemd unit of an agent: it may do what its stack needs, and nothing else. */
export const unitFile = ({ inventory, layout, config, node }: Parts): string => {
  const { runAs } = inventory;
  const usesDocker = needsDocker(config);
  const isRoot = runAs === 'root';
  const writable = [...new Set([config.STATE_DIR, config.BACKUP_DIR, ...inventory.writable])];
  const isBelowState = (path: string) => path.startsWith(posix.join(config.STATE_DIR, '/'));
  const lines = [
    '[Unit]',
    `Description=coldspare agent ${config.NODE_NAME}`,
    `After=network-online.target${usesDocker ? ' docker.service' : ''}`,
    'Wants=network-online.target',
    '# However often it fails: an agent that is not running protects nobody.',
    'StartLimitIntervalSec=0',
    '',
    '[Service]',
    'Type=exec',
    `User=${runAs}`,
    ...(usesDocker && !isRoot ? ['SupplementaryGroups=docker'] : []),
    `EnvironmentFile=${layout.current}/coldspare.env`,
    `WorkingDirectory=${config.STATE_DIR}`,
    `ExecStart=${node} ${layout.current}/release/dist/src/main.js`,
    'Restart=always',
    'RestartSec=3',
    '# The app, its database and the watchdog go on when the agent is stopped.',
    'KillMode=process',
    'TimeoutStopSec=60',
    'UMask=0077',
    '',
    '# What the agent starts itself is held to these as well; what a service manager or Docker starts is not.',
    'NoNewPrivileges=yes',
    'ProtectSystem=strict',
    'ProtectHome=read-only',
    ...writable.filter((path) => !isBelowState(path)).map((path) => `ReadWritePaths=${path}`),
    'PrivateTmp=yes',
    'PrivateDevices=yes',
    'ProtectClock=yes',
    'ProtectControlGroups=yes',
    'ProtectHostname=yes',
    'ProtectKernelLogs=yes',
    'ProtectKernelModules=yes',
    'ProtectKernelTunables=yes',
    'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK',
    'RestrictNamespaces=yes',
    'RestrictRealtime=yes',
    'RestrictSUIDSGID=yes',
    'LockPersonality=yes',
    'SystemCallArchitectures=native',
    'SystemCallFilter=@system-service',
    'SystemCallErrorNumber=EPERM',
    // A root that starts services may have to become their users.
    ...(isRoot ? [] : ['CapabilityBoundingSet=']),
    '',
    '[Install]',
    'WantedBy=multi-user.target',
  ];
  return `${lines.join('\n')}\n`;
};

/** Whether the agent talks to a Docker engine, whose socket belongs to the group docker. */
export const needsDocker = ({
  STACK,
  COMPOSE_COMMAND,
}: Pick<Config, 'STACK' | 'COMPOSE_COMMAND'>): boolean =>
  STACK === 'compose' && COMPOSE_COMMAND.startsWith('docker');
