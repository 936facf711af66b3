package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"slices"
	"strconv"
)

// drawSeries draws what was written down while a system carried load: CSV with the columns elapsed_s, calls (so far),
// cpu_s (so far), rss_bytes, goroutines, fds and keys, a line each time.
func drawSeries(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	lines, err := csv.NewReader(in).ReadAll()
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	if len(lines) < 3 {
		return fmt.Errorf("%s: %d lines are no series", from, len(lines))
	}
	columns := map[string][]float64{}
	for _, name := range []string{"elapsed_s", "calls", "cpu_s", "rss_bytes", "goroutines", "fds", "keys"} {
		i := slices.Index(lines[0], name)
		if i < 0 {
			return fmt.Errorf("%s: there is no column %s", from, name)
		}
		for n, line := range lines[1:] {
			v, err := strconv.ParseFloat(line[i], 64)
			if err != nil {
				return fmt.Errorf("%s:%d: %s: %w", from, n+2, name, err)
			}
			columns[name] = append(columns[name], v)
		}
	}
	minutes := scaled(columns["elapsed_s"], 1.0/60)
	one := func(title string, x, y []float64) panel {
		return panel{title: title, across: "minutes", curves: []curve{{colour: "#1f6fb4", x: x, y: y}}}
	}
	times, costs := costsOver(columns["elapsed_s"], columns["calls"], columns["cpu_s"])
	if len(times) < 2 {
		return fmt.Errorf("%s: too short, or without calls: nothing can be said of a call's cost", from)
	}
	return draw(to, []panel{
		one("CPU a call, µs (of a minute each)", times, costs),
		one("calls so far", minutes, columns["calls"]),
		one("memory, MiB (resident)", minutes, scaled(columns["rss_bytes"], 1.0/(1<<20))),
		one("goroutines", minutes, columns["goroutines"]),
		one("file descriptors", minutes, columns["fds"]),
		one("keys in Redis", minutes, columns["keys"]),
	})
}

func scaled(v []float64, by float64) []float64 {
	all := make([]float64, len(v))
	for i := range v {
		all[i] = v[i] * by
	}
	return all
}

// costsOver is the processor time of a call in µs, of each minute (a tenth of a shorter series), at its end in minutes.
func costsOver(elapsed, calls, cpu []float64) (minutes, costs []float64) {
	span := min(60, (elapsed[len(elapsed)-1]-elapsed[0])/10)
	from := 0
	for i := range elapsed {
		if elapsed[i]-elapsed[from] < span || calls[i] == calls[from] {
			continue
		}
		minutes = append(minutes, elapsed[i]/60)
		costs = append(costs, (cpu[i]-cpu[from])*1e6/(calls[i]-calls[from]))
		from = i
	}
	return minutes, costs
}
