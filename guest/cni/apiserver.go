package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// apiServer reaches the API server with the pod's service account. Address, authority and token are read anew for every request: all three rotate.
type apiServer struct {
	server      string
	kubeconfig  string
	credentials string
	client      *http.Client
}

func newAPIServer(given options) *apiServer {
	api := &apiServer{server: given.server, kubeconfig: given.kubeconfig, credentials: given.credentials}
	dialer := &net.Dialer{Timeout: firstDialTimeout, KeepAlive: 15 * time.Second}
	api.client = &http.Client{Transport: &http.Transport{
		DialContext: dialer.DialContext,
		// The service's address leads nowhere until kube-proxy stands: a connection that waits would miss that moment.
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			roots, err := api.roots()
			if err != nil {
				return nil, err
			}
			return (&tls.Dialer{NetDialer: dialer, Config: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}).DialContext(ctx, network, address)
		},
		ResponseHeaderTimeout: 30 * time.Second,
		MaxIdleConns:          2,
		IdleConnTimeout:       time.Minute,
	}}
	return api
}

// get answers the body of a successful request; the caller closes it.
func (a *apiServer) get(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	base, err := a.address()
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", contentTypeJSON)
	request.Header.Set("User-Agent", "liquidmetal-cni/"+version)
	token, err := os.ReadFile(filepath.Join(a.credentials, "token"))
	if err == nil {
		request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	response, err := a.client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		defer func() { _ = response.Body.Close() }()
		return nil, statusError(response)
	}
	return response.Body, nil
}

var serverLine = regexp.MustCompile(`(?m)^\s*server:\s*"?(https?://[^\s"]+)"?\s*$`)

// address: what was said; what a kubeconfig of the cluster says (kubeadm keeps one for kube-proxy; with it nothing here waits for kube-proxy);
// the cluster's service.
func (a *apiServer) address() (string, error) {
	if a.server != "" {
		return strings.TrimSuffix(a.server, "/"), nil
	}
	if a.kubeconfig != "" {
		if text, err := os.ReadFile(a.kubeconfig); err == nil {
			if found := serverLine.FindSubmatch(text); found != nil {
				return strings.TrimSuffix(string(found[1]), "/"), nil
			}
		}
	}
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return "", errors.New("no API server is known: neither --server nor --kubeconfig nor KUBERNETES_SERVICE_HOST says one")
	}
	return "https://" + net.JoinHostPort(host, port), nil
}

func (a *apiServer) roots() (*x509.CertPool, error) {
	file := filepath.Join(a.credentials, "ca.crt")
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return roots, nil
}
