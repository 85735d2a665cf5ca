# What the rounds say: Markdown for people, JSON for machines, plots. From the lines of a part,
# `panel|case|contender|round|value`.

# summarise [BASELINE] <lines: a line `panel|case|contender|median|ratio|spread|values` a cell. The
# baseline is the contender that a case begins with, or the given one.
summarise() {
    awk -F'|' -v OFS='|' -v given="${1:-}" '
        function quantile(list, q,    n, i, j, v, at, x) {
            n = split(list, v, " ")
            for (i = 2; i <= n; i++) {
                x = v[i] + 0
                for (j = i - 1; j >= 1 && v[j] + 0 > x; j--) v[j + 1] = v[j]
                v[j + 1] = x
            }
            at = 1 + q * (n - 1)
            i = int(at)
            return i == n ? v[n] : v[i] + (at - i) * (v[i + 1] - v[i])
        }
        {
            group = $1 OFS $2
            cell = group OFS $3
            if (!(group in baseline)) baseline[group] = cell
            if (given != "") baseline[group] = group OFS given
            if (!(cell in of)) cells[++count] = cell
            of[cell] = group
            rounds[cell] = rounds[cell] " " $4
            values[cell] = values[cell] " " $5
            value[cell, $4] = $5
        }
        END {
            for (c = 1; c <= count; c++) {
                cell = cells[c]
                base = baseline[of[cell]]
                n = split(rounds[cell], round, " ")
                ratios = ""
                for (i = 1; i <= n; i++)
                    if (value[base, round[i]] > 0)
                        ratios = ratios " " value[cell, round[i]] / value[base, round[i]]
                if (ratios == "") ratios = 0
                ratio = quantile(ratios, 0.5)
                spread = (quantile(ratios, 0.75) - quantile(ratios, 0.25)) / 2
                print cell, quantile(values[cell], 0.5), ratio, spread, substr(values[cell], 2)
            }
        }'
}

# ratio PANEL CASE CONTENDER [BASELINE]: the median ratio of one cell of this part.
ratio() {
    summarise "${4:-}" <"$results/$part" |
        awk -F'|' -v cell="$1|$2|$3" '$1 FS $2 FS $3 == cell { printf "%.3f", $5 }'
}

# goal TEXT ≤|≥ LIMIT VALUE: a line of the table of goals.
goal() {
    awk -v text="$1" -v sign="$2" -v limit="$3" -v value="$4" 'BEGIN {
        reached = value == "" ? "not measured" : \
            (sign == "≤" ? value <= limit + 0 : value >= limit + 0) ? "yes" : "**no**"
        printf "| %s | %s %s | %s | %s |\n", text, sign, limit, value, reached
    }' >>"$results/goals.md"
}

report_conditions() {
    local form=full
    if [ -n "$quick" ]; then form=quick; fi
    {
        printf '# eventcore benchmark\n\n'
        printf '%s, %s form. PostgreSQL %s, %s x %s, %s MB of memory, Linux %s.\n\n' \
            "$(date -u +%F)" "$form" "$(sql -c 'SHOW server_version')" "$(nproc)" \
            "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" \
            "$(free -m | awk '$1 == "Mem:" { print $2 }')" "$(uname -r)"
        printf 'Settings: '
        sql -c "SELECT string_agg(name || '=' || current_setting(name), ', ' ORDER BY name)
                FROM pg_settings WHERE sourcefile LIKE '%/postgresql.conf' AND name <> ALL
                    ('{TimeZone,log_timezone,lc_messages,lc_monetary,lc_numeric,lc_time,DateStyle,
                       default_text_search_config,unix_socket_directories,listen_addresses}')"
        printf '\nEvery cell: ratio to the baseline of its line (median).\n'
    } | tee "$output/results.md"
    printf '| goal | limit | measured | reached |\n|---|---|---|---|\n' >"$results/goals.md"
}

report_part() {
    summarise <"$results/$part" >"$results/$part.summary"
    {
        printf '\n## %s\n\n' "$title"
        awk -F'|' -v unit="$unit" -v better="$better" '
            function shown(x) {
                return sprintf(x >= 1000 ? "%d" : x >= 100 ? "%.0f" : x >= 10 ? "%.1f" : "%.2f", x)
            }
            {
                row = $1 == "" ? $2 : $2 == "" ? $1 : $1 ", " $2
                if (!(row in seen)) rows[++row_count] = row
                if (!($3 in column)) columns[column[$3] = ++column_count] = $3
                if (row in seen) spreads[++spread_count] = $5 > 0 ? $6 / $5 : 0
                seen[row] = 1
                cell[row, $3] = sprintf("%.2f (%s)", $5, shown($4))
            }
            END {
                head = "| |"; rule = "|---|"
                for (c = 1; c <= column_count; c++) {
                    head = head " " columns[c] " |"
                    rule = rule "---|"
                }
                print head; print rule
                for (r = 1; r <= row_count; r++) {
                    line = "| " rows[r] " |"
                    for (c = 1; c <= column_count; c++)
                        line = line " " (((rows[r], columns[c]) in cell) \
                            ? cell[rows[r], columns[c]] : "-") " |"
                    print line
                }
                for (i = 1; i <= spread_count; i++) total += spreads[i]
                printf "\nIn brackets: %s; %s is better. ", unit, better
                printf "Spread of the ratios between rounds: %.0f %% on average.\n", \
                    spread_count ? 100 * total / spread_count : 0
            }' "$results/$part.summary"
        details
        printf '\n![%s](%s.svg)\n' "$title" "$part"
    } | tee -a "$output/results.md"
    printf '(%s s)\n' "$SECONDS" >&2
    goals
    plot
}

# plot: bars of ratios, a panel each.
plot() {
    local panels panel contender_count cases data="$results/$part.data"
    if ! command -v gnuplot >/dev/null; then
        echo "no plot of $part: gnuplot is missing (Debian: gnuplot-nox)" >&2
        return
    fi
    awk -F'|' '
        {
            if (!($1 in panel)) panels[panel[$1] = ++panel_count] = $1
            if (!($2 in row)) rows[row[$2] = ++row_count] = $2
            if (!($3 in column)) columns[column[$3] = ++column_count] = $3
            cell[$1, $2, $3] = $5
            there[$1, $2] = 1
        }
        END {
            for (p = 1; p <= panel_count; p++) {
                printf "\"%s\"", panels[p]
                for (c = 1; c <= column_count; c++) printf " \"%s\"", columns[c]
                print ""
                for (r = 1; r <= row_count; r++) {
                    if (!((panels[p], rows[r]) in there)) continue
                    printf "\"%s\"", rows[r]
                    for (c = 1; c <= column_count; c++)
                        printf " %s", ((panels[p], rows[r], columns[c]) in cell) \
                            ? cell[panels[p], rows[r], columns[c]] : 0
                    print ""
                }
                print "\n"
            }
        }' "$results/$part.summary" >"$data"
    mapfile -t panels < <(cut -d'|' -f1 "$results/$part.summary" | awk '!seen[$0]++')
    contender_count=$(cut -d'|' -f3 "$results/$part.summary" | sort -u | wc -l)
    {
        local columns=$((${#panels[@]} > 1 ? 2 : 1)) lines=$(((${#panels[@]} + 1) / 2))
        echo "set terminal svg size $((columns == 1 ? 860 : 1200)), $((60 + 330 * lines)) font 'sans,12' background 'white'"
        echo "set output '$output/$part.svg'"
        echo "set multiplot layout $lines, $columns title \"$title\\n{/*0.8 ratio to the first; $better is better}\""
        echo "set style data histogram; set style histogram clustered gap 1"
        echo "set style fill solid 0.85 noborder; set boxwidth 0.9; set grid ytics"
        echo "set yrange [0:*]; set key below; set xtics font ',9'"
        local i=0
        for panel in "${panels[@]}"; do
            cases=$(awk -F'|' -v panel="$panel" '$1 == panel && !seen[$2]++' "$results/$part.summary" |
                wc -l)
            echo "set title '$panel'; set xrange [-0.6:$cases - 0.4]"
            echo "plot for [c = 2:$((contender_count + 1))] '$data' index $i using c:xtic(1) title columnheader(c), \
                1 with lines lt -1 dashtype 2 notitle"
            i=$((i + 1))
        done
        echo 'unset multiplot'
    } | gnuplot
}

report_all() {
    {
        printf '\n## Goals\n\n'
        cat "$results/goals.md"
    } | tee -a "$output/results.md"
    for part in "${parts[@]}"; do
        sed "s/^/$part|/" "$results/$part.summary"
    done | awk -F'|' -v conditions="$(sed -n '3s/"/\\"/g;3p' "$output/results.md")" '
        BEGIN { printf "{\"conditions\": \"%s\",\n \"results\": [", conditions }
        {
            gsub(" ", ", ", $8)
            printf "%s\n  {\"part\": \"%s\", \"panel\": \"%s\", \"case\": \"%s\", \"contender\": \"%s\", ", \
                (NR > 1 ? "," : ""), $1, $2, $3, $4
            printf "\"ratio\": %.4f, \"spread\": %.4f, \"median\": %s, \"rounds\": [%s]}", $6, $7, $5, $8
        }
        END { print "\n]}" }' >"$output/results.json"
    echo "In $output: results.md, results.json and plots" >&2
}
