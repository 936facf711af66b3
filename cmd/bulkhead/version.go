package main

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func versionCommand() *cobra.Command {
	modules := false
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version, or with --modules what it is built of",
		Long: "Print the version. --modules prints what the program is built of, as `go version -m` does: each\n" +
			"module with its version and the hash that go.sum has, the compiler and its settings. Scanners\n" +
			"(govulncheck -mode=binary, Trivy, Syft) read the same from the program's file.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if modules {
				info, ok := debug.ReadBuildInfo()
				if !ok {
					return errors.New("it was built without module support")
				}
				_, err := fmt.Fprint(cmd.OutOrStdout(), info)
				return err
			}
			version, revision := built()
			if revision != "" {
				version += " " + revision
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "bulkhead %s\n", version)
			return err
		},
	}
	c.Flags().BoolVar(&modules, "modules", false, "what it is built of")
	return c
}

// built is what this program was built of; the revision may be empty.
func built() (version, revision string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown", ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value
		}
	}
	return info.Main.Version, revision
}
