// Bulkhead is a carrier-facing B2BUA session border controller.
package main

import (
	"fmt"
	"os"
	"time"
	_ "time/tzdata" // a container has no zones of its own

	"github.com/spf13/cobra"
)

func main() {
	root := &cobra.Command{
		Use:           "bulkhead",
		Short:         "A carrier-facing B2BUA session border controller",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(
		serveCommand(), checkCommand(), demoCommand(), chaosCommand(), reloadCommand(), handoverCommand(), pingCommand(), routeCommand(),
		callsCommand(), topCommand(), callCommand(), carriersCommand(), carrierCommand(), nodeCommand(), configCommand(), cdrCommand(), traceCommand(), replayCommand(), logCommand(), versionCommand(),
	)
	completes(root)
	if err := root.Execute(); err != nil {
		told := make(chan struct{})
		go func() {
			fmt.Fprintln(os.Stderr, "bulkhead:", err)
			close(told)
		}()
		select {
		case <-told:
		case <-time.After(closeFor): // nobody reads it
		}
		os.Exit(1)
	}
}
