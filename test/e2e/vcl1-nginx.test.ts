import { describeVcl1 } from '../support/vcl1.js';
import { tellVcl1Story } from '../support/vcl1-story.js';

describeVcl1('nginx', 'VCL1 is nginx', () => tellVcl1Story('nginx'));
