# Sourced by the scripts here that need the settings: `read_settings .env.local`, and `.env` after it.
# shellcheck shell=sh

# Puts the lines NAME=VALUE of a file into the environment; what is set there already goes first.
read_settings() {
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in '' | \#*) continue ;; esac
        name=${line%%=*} value=${line#*=}
        case $name in
        *[!A-Za-z0-9_]* | [0-9]* | '' | "$line") echo "$1: \`$line\` is not NAME=VALUE" >&2; return 2 ;;
        esac
        eval "is_set=\${$name+yes}"
        [ -n "$is_set" ] || export "$name=$value"
    done < "$1"
}
