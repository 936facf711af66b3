package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"bulkhead/b2bua/ops"
)

func carriersCommand() *cobra.Command {
	var flags remoteFlags
	format := "table"
	c := &cobra.Command{
		Use:   "carriers [FILE]",
		Short: "List the carriers of a running node, with what each has done for a day",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, _, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			var all []ops.Carrier
			if err := node.ask(cmd.Context(), http.MethodGet, "/v1/carriers", &all); err != nil {
				return told(cmd, err)
			}
			if err := scores(cmd.OutOrStdout(), format, all, len(all), func(i int) (string, ops.Score) {
				return all[i].Name + "\t" + all[i].Stands.Standing.String(), all[i].Score
			}, "carrier\tstanding"); err != nil || format != "table" {
				return err
			}
			return keptBack(cmd.OutOrStdout(), all)
		},
	}
	flags.add(c, 0)
	c.Flags().StringVarP(&format, "output", "o", format, "how to print: table, json")
	return c
}

func carrierCommand() *cobra.Command {
	c := &cobra.Command{Use: "carrier", Short: "Look at one carrier, and keep calls from it"}
	c.AddCommand(scorecardCommand(), evidenceCommand())
	c.AddCommand(orderCommands()...)
	return c
}

func scorecardCommand() *cobra.Command {
	var flags remoteFlags
	format := "table"
	c := &cobra.Command{
		Use:   "scorecard [FILE] CARRIER",
		Short: "Print how a carrier has behaved, by the hour",
		Long: "Print for each hour of the last day how a carrier has behaved: ASR and NER are the ratios of\n" +
			"ITU-T E.411 and E.425, PDD the mean post-dial delay. What follows breaks RFC 3261: refusals\n" +
			"that it repeated although each copy had its ACK, answers after a CANCEL, CANCELs that no\n" +
			"final response followed, first responses that were late and no 100.",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, rest, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			var card ops.Scorecard
			if err := node.ask(cmd.Context(), http.MethodGet, "/v1/carriers/"+url.PathEscape(rest[0])+"/scorecard", &card); err != nil {
				return told(cmd, err)
			}
			rows := append([]ops.Score{card.Day}, card.Hours...)
			return scores(cmd.OutOrStdout(), format, card, len(rows), func(i int) (string, ops.Score) {
				if i == 0 {
					return "all", rows[0]
				}
				return rows[i].From.Format("2006-01-02 15:00Z"), rows[i]
			}, "hour")
		},
	}
	flags.add(c, 1)
	c.Flags().StringVarP(&format, "output", "o", format, "how to print: table, json")
	return c
}

// scores prints scores, n rows of them, each under a name.
func scores(out io.Writer, format string, all any, n int, row func(int) (string, ops.Score), what string) error {
	switch format {
	case "json":
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(all)
	case "table":
	default:
		return fmt.Errorf("-o %s: want one of table, json", format)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	head := []string{what, "attempts", "answered", "asr", "ner", "pdd", "not sent", "silent", "absorbed", "acks ignored", "late 200", "no final", "no 100", "to-tags", "bad o="}
	fmt.Fprintln(w, strings.ToUpper(strings.Join(head, "\t"))) // Flush has the error
	for i := range n {
		name, s := row(i)
		cells := []string{name, strconv.Itoa(s.Attempts), strconv.Itoa(s.Answered), share(s.ASR, s.Attempts-s.NotSent), share(s.NER, s.Attempts-s.NotSent), delay(s)}
		for _, n := range []int{s.NotSent, s.Silent, s.Absorbed, s.ACKIgnored, s.Late, s.NoFinal, s.No100, s.ToTags, s.Origins} {
			cells = append(cells, strconv.Itoa(n))
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

// share is a ratio in percent; a dash: of nothing.
func share(ratio float64, of int) string {
	if of == 0 {
		return "-"
	}
	return strconv.FormatFloat(100*ratio, 'f', 1, 64) + "%"
}

func delay(s ops.Score) string {
	if s.DelayCount == 0 {
		return "-"
	}
	return strconv.FormatFloat(s.DelayMean, 'f', 1, 64) + "s"
}
