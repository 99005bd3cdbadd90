package main

import (
	"encoding/json"
	"net"
	"net/http"
	"sync"
	"time"
)

// silence is how long nothing may be heard of the API server: longer than any watch lasts, so a healthy one is never called sick.
const silence = (2*watchSeconds)*time.Second + 2*watchGrace

// status is what the health endpoint tells. Healthy: the program does its work, or the API server is away for less than silence. Ready: the node's CNI
// configuration stands.
type status struct {
	mutex sync.Mutex
	heard time.Time
	facts facts
}

type facts struct {
	Configured bool     `json:"configured"`
	APIError   string   `json:"apiError,omitempty"`
	Problems   []string `json:"problems"`
}

func newStatus() *status { return &status{heard: time.Now(), facts: facts{Problems: []string{}}} }

func (s *status) change(how func()) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	how()
}

func (s *status) apiHeard()             { s.change(func() { s.heard, s.facts.APIError = time.Now(), "" }) }
func (s *status) apiFailed(text string) { s.change(func() { s.facts.APIError = text }) }
func (s *status) configured()           { s.change(func() { s.facts.Configured = true }) }
func (s *status) problems(text []string) {
	s.change(func() { s.facts.Problems = append([]string{}, text...) })
}

func (s *status) now() (facts, bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.facts, time.Since(s.heard) < silence
}

func serveHealth(address string, status *status) (func(), error) {
	answer := func(good func(facts, bool) bool) http.HandlerFunc {
		return func(response http.ResponseWriter, _ *http.Request) {
			known, heard := status.now()
			response.Header().Set("Content-Type", contentTypeJSON)
			if !good(known, heard) {
				response.WriteHeader(http.StatusServiceUnavailable)
			}
			_ = json.NewEncoder(response).Encode(known)
		}
	}
	paths := http.NewServeMux()
	paths.Handle("/healthz", answer(func(_ facts, heard bool) bool { return heard }))
	paths.Handle("/readyz", answer(func(known facts, heard bool) bool { return heard && known.Configured }))
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: paths, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	return func() { _ = server.Close() }, nil
}
