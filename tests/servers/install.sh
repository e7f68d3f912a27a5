#!/bin/sh
# Installs all servers of the table on Debian 12, as root. No service is started.
set -eu
cd "$(dirname "$0")/../.."
if [ -e /usr/sbin/policy-rc.d ]; then
    echo "/usr/sbin/policy-rc.d exists: it decides whether services are started"
else
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    trap 'rm /usr/sbin/policy-rc.d' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
apt-get update -qq
# shellcheck disable=SC2046  # one word for each package
apt-get install -qq --yes --no-install-recommends $(.venv/bin/python -m tests.servers --packages)
