#!/usr/bin/env bash
# Unpacks Debian packages of another suite, or for another machine, below a folder:
#   packaging/debian_packages.sh trixie arm64 /tmp/tree libssl-dev libssl3t64
# src:NAME is the source archive of NAME, without Debian's changes to it. It becomes the folder usr/src/NAME.
# apt checks the signatures. Nothing is installed, and apt's own state stays as it is.
set -euo pipefail
suite=$1 architecture=$2 tree=$3
shift 3
sources=() binaries=()
for name in "$@"; do
    case $name in src:*) sources+=("${name#src:}") ;; *) binaries+=("$name") ;; esac
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/lists/partial "$work"/cache/archives/partial "$work"/parts "$work"/packages "$tree"
cat > "$work/suite.sources" <<SOURCES
Types: ${binaries:+deb} ${sources:+deb-src}
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
if [ ${#binaries[@]} != 0 ]; then
    apt-get download -qq "${binaries[@]}"
    for package in *.deb; do
        dpkg-deb --extract "$package" "$tree"
    done
fi
for name in "${sources[@]}"; do
    apt-get source -qq --tar-only --download-only "$name"
    mkdir -p "$tree/usr/src/$name"
    tar -xf "$name"_*.orig.tar.* -C "$tree/usr/src/$name" --strip-components=1
done
