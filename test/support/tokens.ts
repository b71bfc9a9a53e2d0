export const TOKENS = {
  peer: 'peer-token-for-tests-0123456789abcdef',
  admin: 'admin-token-for-tests-0123456789abcdef',
  webhook: 'webhook-token-for-tests-0123456789abcd',
};
