package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

// said runs a command line and gives what it printed.
func said(arguments ...string) (string, error) {
	var out bytes.Buffer
	err := run(context.Background(), arguments, &out)
	return out.String(), err
}

func TestAnswersWhoIsAskedAndWhoAsks(t *testing.T) {
	server := httptest.NewServer(handler(identity{pod: "web-1", node: "worker"}))
	defer server.Close()
	got, err := said("get", server.URL+"/any/path")
	if want := "pod=web-1 node=worker address=127.0.0.1 client=127.0.0.1\n"; err != nil || got != want {
		t.Fatalf("got %q, %v; want %q", got, err, want)
	}
	if got, err := said("get", server.URL+"/healthz"); err != nil || got != "ok\n" {
		t.Fatalf("health: %q, %v", got, err)
	}
}

func TestSaysUnknownForWhatItWasNotTold(t *testing.T) {
	recorder := httptest.NewRecorder()
	handler(identity{}).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/", nil))
	if got := recorder.Body.String(); !strings.HasPrefix(got, "pod=unknown node=unknown address=unknown client=192.0.2.1") {
		t.Fatal(got)
	}
}

func TestServesUntilItIsToldToEnd(t *testing.T) {
	t.Setenv("POD_NAME", "web-2")
	t.Setenv("NODE_NAME", "cp")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	lines, ended := make(lineWriter, 1), make(chan error, 1)
	go func() { ended <- run(ctx, []string{"serve", "--listen", address}, lines) }()
	if line := <-lines; !strings.HasSuffix(line, "listens on "+address+"\n") {
		t.Fatal(line)
	}
	if got, err := said("get", address); err != nil || !strings.HasPrefix(got, "pod=web-2 node=cp ") {
		t.Fatalf("%q, %v", got, err)
	}
	if _, err := said("serve", "--listen", address); err == nil || errors.Is(err, errUsage) {
		t.Fatalf("a second one on the same port: %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if _, err := said("get", address); err == nil {
		t.Fatal("it still answers")
	}
}

type lineWriter chan string

func (lines lineWriter) Write(text []byte) (int, error) {
	lines <- string(text)
	return len(text), nil
}

func TestEveryTimeIsAConnectionOfItsOwn(t *testing.T) {
	clients := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) { clients[request.RemoteAddr] = true }))
	defer server.Close()
	if _, err := said("get", "--times", "5", server.URL, "--timeout=2s"); err != nil || len(clients) != 5 {
		t.Fatalf("%d connections, %v", len(clients), err)
	}
}

func TestABadAnswerAndNoneAreErrors(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		if request.URL.Path == "/slow" {
			<-release
		}
		writer.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(writer, "not yet")
	}))
	defer server.Close()
	defer close(release)
	got, err := said("get", server.URL)
	if err == nil || got != "not yet\n" || !strings.Contains(err.Error(), "503 Service Unavailable") {
		t.Fatalf("%q, %v", got, err)
	}
	started := time.Now()
	if _, err := said("get", server.URL+"/slow", "--timeout", "50ms"); err == nil || time.Since(started) > 5*time.Second {
		t.Fatalf("%v after %v", err, time.Since(started))
	}
}

func TestResolves(t *testing.T) {
	got, err := said("resolve", "localhost")
	if err != nil || !regexp.MustCompile(`(?m)^(127\.0\.0\.1|::1)$`).MatchString(got) {
		t.Fatalf("%q, %v", got, err)
	}
	if _, err := said("resolve", "nobody.invalid", "--timeout", "2s"); err == nil {
		t.Fatal("nobody has an address")
	}
}

func TestAWrongCommandLineSaysSo(t *testing.T) {
	for _, line := range []string{"", "fetch", "get", "get a b", "get --times 0 a", "get --timeout soon a", "resolve", "serve there", "serve --port 1"} {
		if _, err := said(strings.Fields(line)...); !errors.Is(err, errUsage) {
			t.Errorf("web %s: %v", line, err)
		}
	}
}
