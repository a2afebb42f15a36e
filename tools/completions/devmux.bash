# bash completion for devmux(1): subcommands, options, names of units and classes.
#
# It needs nothing of the bash-completion package but its loader. Names are asked of the daemon; where
# none runs, there are none to complete, and no error disturbs the prompt.

_devmux_names() {  # _devmux_names SUBCOMMAND: what `devmux SUBCOMMAND --json` has as "name"
    local -a dir=()
    local i
    for ((i = 1; i < COMP_CWORD; ++i)); do
        [[ ${COMP_WORDS[i]} == --runtime-dir ]] && dir=(--runtime-dir "${COMP_WORDS[i + 1]}")
    done
    command devmux "${dir[@]}" --json "$1" 2>/dev/null </dev/null |
        grep -o '[[{,]"name":"[^"]*"' | cut -d'"' -f4
}

_devmux() {
    local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' word i
    local commands='status list cat log explain devices classes eval wait start stop restart refresh reset mask unmask reload mode shutdown source check simulate record whatif guard'
    local common='--runtime-dir --json --color --help'
    COMPREPLY=()

    case $previous in
        --runtime-dir) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
        --color | --colour) mapfile -t COMPREPLY < <(compgen -W 'auto always never' -- "$cur"); return ;;
        --timeout) mapfile -t COMPREPLY < <(compgen -W '5s 30s 2m none' -- "$cur"); return ;;
    esac
    for ((i = 1; i < COMP_CWORD; ++i)); do
        word=${COMP_WORDS[i]}
        case $word in
            --runtime-dir | --color | --colour) ((++i)) ;;
            -*) ;;
            *) command=$word; break ;;
        esac
    done

    if [[ $cur == -* ]]; then
        case $command in
            '') common+=' --version' ;;
            wait) common+=' --timeout' ;;
            start | refresh) common+=' --timeout --no-wait' ;;
            stop | restart) common+=' --timeout --no-wait --force' ;;
            reset) common+=' --latch' ;;
            mask | unmask) common+=' --runtime --units' ;;
            cat) common+=' --units' ;;
            check) common+=' --root' ;;
            log) common+=' --lines --follow' ;;
            mode) common+=' --clear' ;;
            shutdown) common+=' --timeout --no-wait --cancel' ;;
            simulate) common+=' --units --diff' ;;
            record) common+=' --output --for --redact --from' ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "$common" -- "$cur")
        return
    fi
    case $command in
        '') mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur") ;;
        status | cat | log | explain | start | stop | restart | refresh | reset | mask | unmask | guard)
            mapfile -t COMPREPLY < <(compgen -W "$(_devmux_names list)" -- "$cur") ;;
        devices)  # names of classes may have spaces; devmux takes the words as they come
            while IFS= read -r word; do
                [[ $word == "$cur"* ]] && COMPREPLY+=("${word// /\\ }")
            done < <(_devmux_names classes) ;;
        source)
            [[ $previous == source ]] && mapfile -t COMPREPLY < <(compgen -W 'kernel udev hotplug coldplug' -- "$cur")
            [[ ${COMP_WORDS[COMP_CWORD - 2]} == source ]] && mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur") ;;
        check | simulate) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    esac
}

complete -F _devmux devmux
