#!/bin/sh
# Keeps keys for S3 where the coordinator alone reads them (compose.s3.yaml): neither settings nor `docker inspect` show
# them. Reads lines AWS_…=VALUE, with or without `export`, and takes the place of what was given before.
#
#   deploy/s3-keys.sh < FILE
#   aws configure export-credentials --format env | deploy/s3-keys.sh      mostly keys that end: see docs/deploy.md
#   deploy/s3-keys.sh < /dev/null          takes the keys away: the machine's role asks from then on
set -eu
[ $# = 0 ] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
[ ! -t 0 ] || echo "s3-keys: AWS_ACCESS_KEY_ID=…, AWS_SECRET_ACCESS_KEY=…, a line each; Ctrl-D ends" >&2
keys='' names='' number=0
while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    line=${line#export }
    case $line in '' | \#*) continue ;; esac
    # The line may be a secret, so it is not shown.
    case $line in AWS_?*=*) ;; *) echo "s3-keys: line $number is not AWS_…=VALUE" >&2; exit 2 ;; esac
    name=${line%%=*} value=${line#*=}
    case $name in *[!A-Z0-9_]*) echo "s3-keys: line $number is not AWS_…=VALUE" >&2; exit 2 ;; esac
    case $value in
    '' | *[!A-Za-z0-9/+=_.:@-]*) echo "s3-keys: line $number: $name is empty, in quotes, or has what no key has" >&2; exit 2 ;;
    esac
    keys="$keys$name=$value
"
    names="${names:+$names, }$name"
done
case ,$names, in
,,) ;;
*AWS_ACCESS_KEY_ID,*AWS_SECRET_ACCESS_KEY,* | *AWS_SECRET_ACCESS_KEY,*AWS_ACCESS_KEY_ID,*) ;;
*) echo "s3-keys: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together; given: $names" >&2; exit 2 ;;
esac
# The service `init` has the coordinator's volume of secrets at hand.
printf '%s' "$keys" | "$(dirname "$(readlink -f "$0")")/compose" run --rm --no-deps -T --entrypoint sh init \
    -euc 'umask 077; cat > /secrets/server/s3.env.new; mv /secrets/server/s3.env.new /secrets/server/s3.env'
echo "s3-keys: kept: ${names:-no keys}; a coordinator that runs takes them up by ./compose restart coordinator"
