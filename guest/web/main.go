// Command web shows that a cluster's network works: a service that says who answers and who asked, and its own client.
//
//	web serve [--listen :8080]                        answers every path with one line of text, /healthz with ok
//	web get URL [--timeout 5s] [--times 1]            prints what URL answers, each time over a new connection
//	web resolve NAME [--timeout 5s]                   prints the addresses of NAME, one a line
//
// The client is for `kubectl exec`: the image holds this program and nothing else, so there is no shell and no curl. Exit codes: 0, 1 when nobody
// answered or the answer was not a good one, 2 for a wrong command line.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// version is set when the program is linked.
var version = "development"

const usage = `Usage:
  web serve [--listen :8080]
  web get URL [--timeout 5s] [--times 1]
  web resolve NAME [--timeout 5s]
  web --version
`

// errUsage is the mark of a wrong command line.
var errUsage = errors.New("wrong command line")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "web:", err)
	if errors.Is(err, errUsage) {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	os.Exit(1)
}

func run(ctx context.Context, arguments []string, out io.Writer) error {
	if len(arguments) == 0 {
		return fmt.Errorf("%w: a command is missing", errUsage)
	}
	command, rest := arguments[0], arguments[1:]
	flags := flag.NewFlagSet("web "+command, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	switch command {
	case "serve":
		listen := flags.String("listen", ":8080", "")
		if err := parse(flags, rest); err != nil {
			return err
		}
		return serve(ctx, *listen, identityFromEnvironment(), out)
	case "get":
		timeout := flags.Duration("timeout", 5*time.Second, "")
		times := flags.Int("times", 1, "")
		var url string
		if err := parse(flags, rest, &url); err != nil {
			return err
		}
		if *times < 1 || *times > 1000 {
			return fmt.Errorf("%w: --times is from 1 to 1000", errUsage)
		}
		return get(ctx, url, *times, *timeout, out)
	case "resolve":
		timeout := flags.Duration("timeout", 5*time.Second, "")
		var name string
		if err := parse(flags, rest, &name); err != nil {
			return err
		}
		return resolve(ctx, name, *timeout, out)
	case "--version", "-v":
		_, err := fmt.Fprintln(out, "web "+version)
		return err
	}
	return fmt.Errorf("%w: there is no command %q", errUsage, command)
}

// parse takes flags before, between and after the words, of which there have to be as many as there is room for.
func parse(flags *flag.FlagSet, arguments []string, words ...*string) error {
	var found []string
	for {
		if err := flags.Parse(arguments); err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
		if flags.NArg() == 0 {
			break
		}
		found = append(found, flags.Arg(0))
		arguments = flags.Args()[1:]
	}
	if len(found) != len(words) {
		return fmt.Errorf("%w: %d of %d arguments", errUsage, len(found), len(words))
	}
	for index, word := range words {
		*word = found[index]
	}
	return nil
}
