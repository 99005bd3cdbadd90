package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

const (
	pageSize         = 500
	mostListBytes    = 64 << 20
	shortestBackoff  = 250 * time.Millisecond
	longestBackoff   = 10 * time.Second
	watchSeconds     = 300
	watchGrace       = 30 * time.Second
	listTimeout      = 30 * time.Second
	statusCodeGone   = 410
	nodesPath        = "/api/v1/nodes"
	contentTypeJSON  = "application/json"
	firstDialTimeout = time.Second
)

// errGone: the version that we know is too old to watch from; everything has to be listed again.
var errGone = errors.New("the watched version is gone")

// nodeSource fills a cluster from the API server: one list, then a watch that is resumed where it ended; a new list only when the server has
// forgotten where that was. It never gives up.
type nodeSource struct {
	api     *apiServer
	cluster *cluster
	status  *status
	log     *slog.Logger
}

func newNodeSource(given options, cluster *cluster, status *status, log *slog.Logger) *nodeSource {
	return &nodeSource{api: newAPIServer(given), cluster: cluster, status: status, log: log}
}

func (s *nodeSource) run(ctx context.Context) {
	backoff := shortestBackoff
	said := ""
	version := ""
	for ctx.Err() == nil {
		err := s.step(ctx, &version)
		if err == nil {
			backoff, said = shortestBackoff, ""
			continue
		}
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errGone) {
			s.log.Info("cni.relist", "reason", err.Error())
			version = ""
		} else if text := err.Error(); text != said {
			s.log.Warn("cni.api_unreachable", "error", text)
			said = text
			s.status.apiFailed(text)
		}
		wait(ctx, backoff+time.Duration(rand.Int64N(int64(backoff))))
		backoff = min(backoff*2, longestBackoff)
	}
}

// step lists when no version is known, else watches until the server ends it.
func (s *nodeSource) step(ctx context.Context, version *string) error {
	if *version == "" {
		listed, nodes, err := s.list(ctx)
		if err != nil {
			return err
		}
		s.cluster.replace(nodes)
		s.status.apiHeard()
		s.log.Info("cni.listed", "nodes", len(nodes))
		*version = listed
		return nil
	}
	return s.watch(ctx, version)
}

type metadata struct {
	Name            string `json:"name"`
	ResourceVersion string `json:"resourceVersion"`
	Continue        string `json:"continue"`
}

type nodeObject struct {
	Metadata metadata `json:"metadata"`
	Spec     struct {
		PodCIDR  string   `json:"podCIDR"`
		PodCIDRs []string `json:"podCIDRs"`
	} `json:"spec"`
	Status struct {
		Addresses []struct {
			Type    string `json:"type"`
			Address string `json:"address"`
		} `json:"addresses"`
	} `json:"status"`
	// Of an object of kind Status.
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (s *nodeSource) list(ctx context.Context) (string, []node, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	nodes := []node{}
	next := ""
	for {
		query := url.Values{"limit": {fmt.Sprint(pageSize)}}
		if next != "" {
			query.Set("continue", next)
		}
		var page struct {
			Metadata metadata     `json:"metadata"`
			Items    []nodeObject `json:"items"`
		}
		body, err := s.api.get(ctx, nodesPath, query)
		if err != nil {
			return "", nil, err
		}
		err = json.NewDecoder(io.LimitReader(body, mostListBytes)).Decode(&page)
		_ = body.Close()
		if err != nil {
			return "", nil, fmt.Errorf("the list of nodes cannot be read: %w", err)
		}
		for _, object := range page.Items {
			nodes = append(nodes, s.parse(object))
		}
		if next = page.Metadata.Continue; next == "" {
			return page.Metadata.ResourceVersion, nodes, nil
		}
	}
}

func (s *nodeSource) watch(ctx context.Context, version *string) error {
	seconds := watchSeconds + rand.IntN(watchSeconds)
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second+watchGrace)
	defer cancel()
	body, err := s.api.get(ctx, nodesPath, url.Values{
		"watch": {"true"}, "allowWatchBookmarks": {"true"}, "resourceVersion": {*version}, "timeoutSeconds": {fmt.Sprint(seconds)},
	})
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	s.status.apiHeard()
	events := json.NewDecoder(body)
	for {
		var event struct {
			Type   string     `json:"type"`
			Object nodeObject `json:"object"`
		}
		if err := events.Decode(&event); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("the watch of nodes broke off: %w", err)
		}
		s.status.apiHeard()
		switch event.Type {
		case "ADDED", "MODIFIED":
			s.cluster.put(s.parse(event.Object))
		case "DELETED":
			s.cluster.remove(event.Object.Metadata.Name)
		case "BOOKMARK":
		case "ERROR":
			if event.Object.Code == statusCodeGone {
				return errGone
			}
			return fmt.Errorf("the watch of nodes ended: %s", event.Object.Message)
		}
		if newer := event.Object.Metadata.ResourceVersion; newer != "" {
			*version = newer
		}
	}
}

// parse takes what is well formed and says what is not: one bad address must not cost the others.
func (s *nodeSource) parse(object nodeObject) node {
	one := node{name: object.Metadata.Name}
	cidrs := object.Spec.PodCIDRs
	if len(cidrs) == 0 && object.Spec.PodCIDR != "" {
		cidrs = []string{object.Spec.PodCIDR}
	}
	for _, text := range cidrs {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			s.log.Warn("cni.bad_node", "node", one.name, "podCIDR", text, "error", err.Error())
			continue
		}
		one.podCIDRs = append(one.podCIDRs, prefix.Masked())
	}
	for _, address := range object.Status.Addresses {
		if address.Type != "InternalIP" {
			continue
		}
		parsed, err := netip.ParseAddr(address.Address)
		if err != nil {
			s.log.Warn("cni.bad_node", "node", one.name, "address", address.Address, "error", err.Error())
			continue
		}
		one.internalIPs = append(one.internalIPs, parsed.Unmap())
	}
	return one
}

func wait(ctx context.Context, duration time.Duration) {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// statusError is an answer of the API server that is no success.
func statusError(response *http.Response) error {
	if response.StatusCode == statusCodeGone {
		return errGone
	}
	said, _ := io.ReadAll(io.LimitReader(response.Body, 300))
	return fmt.Errorf("the API server answered %s: %s", response.Status, said)
}
