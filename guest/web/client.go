package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sort"
	"strings"
	"time"
)

// An answer is one line; more than this of somebody else's is not of interest here.
const answerLimit = 1 << 20

// get prints the body of each answer. Every request makes a connection of its own, so that a Service may choose another pod for it.
func get(ctx context.Context, url string, times int, timeout time.Duration, out io.Writer) error {
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	// Inside a cluster there is no proxy on the way, whatever the environment says.
	client := &http.Client{Timeout: timeout, Transport: &http.Transport{DisableKeepAlives: true}}
	for range times {
		if err := getOnce(ctx, client, url, out); err != nil {
			return err
		}
	}
	return nil
}

func getOnce(ctx context.Context, client *http.Client, url string, out io.Writer) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(out, io.LimitReader(response.Body, answerLimit)); err != nil {
		return fmt.Errorf("the answer of %s broke off: %w", url, err)
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fmt.Errorf("%s answered %s", url, response.Status)
	}
	return nil
}

// resolve prints the addresses in order, so that two answers can be compared.
func resolve(ctx context.Context, name string, timeout time.Duration, out io.Writer) error {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(limited, name)
	if err != nil {
		return err
	}
	sort.Strings(addresses)
	_, err = fmt.Fprintln(out, strings.Join(addresses, "\n"))
	return err
}
