package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// Those who are being answered when the pod ends get their answer; nobody keeps it longer than this.
const drainTimeout = 3 * time.Second

// identity is who answers, as the downward API tells it.
type identity struct {
	pod  string
	node string
}

// identityFromEnvironment falls back to the host's name, which is the pod's unless it says otherwise.
func identityFromEnvironment() identity {
	found := identity{pod: os.Getenv("POD_NAME"), node: os.Getenv("NODE_NAME")}
	if found.pod == "" {
		found.pod, _ = os.Hostname()
	}
	return found
}

// serve answers until the context ends.
func serve(ctx context.Context, listen string, self identity, out io.Writer) error {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           handler(self),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    1 << 16,
	}
	fmt.Fprintf(out, "web %s listens on %s\n", version, listener.Addr())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	draining, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if err := server.Shutdown(draining); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// handler answers with one line. The pod's address is the one that was asked, so it is also right where the downward API says nothing.
func handler(self identity) http.Handler {
	answers := http.NewServeMux()
	answers.HandleFunc("/healthz", func(writer http.ResponseWriter, _ *http.Request) { fmt.Fprintln(writer, "ok") })
	answers.HandleFunc("/", func(writer http.ResponseWriter, request *http.Request) {
		writer.Header().Set("Content-Type", "text/plain; charset=utf-8")
		writer.Header().Set("Cache-Control", "no-store")
		local, _ := request.Context().Value(http.LocalAddrContextKey).(net.Addr)
		fmt.Fprintf(writer, "pod=%s node=%s address=%s client=%s\n", known(self.pod), known(self.node), host(local), hostOf(request.RemoteAddr))
	})
	return answers
}

func known(name string) string {
	if name == "" {
		return "unknown"
	}
	return name
}

func host(address net.Addr) string {
	if address == nil {
		return "unknown"
	}
	return hostOf(address.String())
}

func hostOf(address string) string {
	found, _, err := net.SplitHostPort(address)
	if err != nil {
		return known(address)
	}
	return found
}
