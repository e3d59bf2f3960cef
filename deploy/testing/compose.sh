#!/usr/bin/env bash
# Fetches Docker Compose 2 and buildx from Debian 13's packages, for a Debian 12 whose own Compose is 1.29: both are
# static enough to run there. Installs nothing: DOCKER_CONFIG=FOLDER lets a docker client find them.
#   deploy/testing/compose.sh FOLDER
set -euo pipefail
[ $# = 1 ] || { sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mkdir -p "$1/cli-plugins" "$1/apt/lists/partial" "$1/apt/archives/partial"
folder=$(realpath "$1")
if "$folder/cli-plugins/docker-compose" version >/dev/null 2>&1; then exit 0; fi

mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null | grep -v security | head -1)
cat > "$folder/apt/apt.conf" <<CONF
Dir::Etc::sourcelist "$folder/apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$folder/apt/lists";
Dir::Cache "$folder/apt";
APT::Sandbox::User "$(id -un)";
CONF
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:-http://deb.debian.org/debian} trixie main" > "$folder/apt/sources.list"
export APT_CONFIG=$folder/apt/apt.conf
apt-get update -qq
cd "$folder/apt"
apt-get download -qq docker-compose docker-buildx
for package in *.deb; do dpkg-deb -x "$package" "$folder/apt/tree"; done
cp "$folder"/apt/tree/usr/libexec/docker/cli-plugins/docker-* "$folder/cli-plugins/"
rm -rf "$folder/apt"
"$folder/cli-plugins/docker-compose" version
