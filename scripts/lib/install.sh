# Sourced by the scripts of the folder above: an install and a build that fit what is checked out.

# Node and npm are all that it takes.
require_node() {
  if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo 'Node 20.19 or newer and its npm are needed: https://nodejs.org' >&2
    return 1
  fi
  if ! node -e 'const [a, b] = process.versions.node.split("."); process.exit(+a > 20 || (+a === 20 && +b >= 19) ? 0 : 1)'; then
    echo "Node 20.19 or newer is needed, this is $(node --version): https://nodejs.org" >&2
    return 1
  fi
}

# npm ci when there is no install, an old one, or one without the compiler; then a build of what has changed.
install_and_build() {
  require_node
  if [[ package-lock.json -nt node_modules/.package-lock.json || ! -x node_modules/.bin/tsc ]]; then
    echo 'installing (npm ci) …' >&2
    npm ci --loglevel=error --no-audit --no-fund
  else
    node_modules/.bin/tsc -p tsconfig.json
  fi
}
