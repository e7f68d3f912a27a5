#!/usr/bin/env bash
# Unpacks Debian packages of another suite, or for another machine, below a folder:
#   packaging/debian_packages.sh trixie arm64 /tmp/tree libssl-dev libssl3t64
# apt checks the signatures. Nothing is installed, and apt's own state stays as it is.
set -euo pipefail
suite=$1 architecture=$2 tree=$3
shift 3

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/lists/partial "$work"/cache/archives/partial "$work"/parts "$work"/packages "$tree"
cat > "$work/suite.sources" <<SOURCES
Types: deb
URIs: ${DEBIAN_MIRROR:-http://deb.debian.org/debian}
Suites: $suite
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
cat > "$work/apt.conf" <<CONFIG
APT::Architecture "$architecture";
APT::Architectures "$architecture";
Dir::State::Lists "$work/lists";
Dir::State::Status "/dev/null";
Dir::Cache "$work/cache";
Dir::Etc::SourceList "$work/suite.sources";
Dir::Etc::SourceParts "$work/parts";
Acquire::Languages "none";
APT::Sandbox::User "root";
CONFIG
cd "$work/packages"
export APT_CONFIG=$work/apt.conf
apt-get update -qq
apt-get download -qq "$@"
for package in *.deb; do
    dpkg-deb --extract "$package" "$tree"
done
