// SPDX-License-Identifier: MIT

// What belay_grpc.c does, by gRPC's library for Go, on one core: a goroutine for each call under way,
// bytes for messages.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
)

const (
	say     = "/bench.Echo/Say.grpc"
	stream  = "/bench.Echo/Stream.grpc"
	chat    = "/bench.Echo/Chat.grpc"
	warm    = 16
	tickOut = 64
)

var message = []byte("0123456789abcdef")

func die(err interface{}) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

// Messages are what they are.
type bytesCodec struct{}

func (bytesCodec) Marshal(v interface{}) ([]byte, error) { return v.([]byte), nil }
func (bytesCodec) Unmarshal(data []byte, v interface{}) error {
	*v.(*[]byte) = data
	return nil
}
func (bytesCodec) Name() string   { return "proto" }
func (bytesCodec) String() string { return "proto" }

func check(err error, response *[]byte) {
	if err != nil {
		die(err)
	}
	if len(*response) != len(message) {
		die(fmt.Sprintf("a message of %d bytes", len(*response)))
	}
}

func dial(target string) *grpc.ClientConn {
	conn, err := grpc.Dial(target, grpc.WithInsecure(), grpc.WithDefaultCallOptions(grpc.ForceCodec(bytesCodec{})))
	if err != nil {
		die(err)
	}
	return conn
}

func cpu() float64 {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	of := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return of(used.Utime) + of(used.Stime)
}

// As bench_meter: nothing counts before the warm-up is over.
type meter struct {
	warmUntil, begin, end time.Time
	seconds               float64
	count                 uint64
	cpu, wall             float64
	measuring             bool
}

func (m *meter) tick() bool {
	now := time.Now()
	if !m.measuring {
		if now.Before(m.warmUntil) {
			return false
		}
		m.measuring = true
		m.count = 0
		m.begin = now
		m.cpu = cpu()
		m.end = now.Add(time.Duration(m.seconds * 1e9))
		return false
	}
	if now.Before(m.end) {
		return false
	}
	m.cpu = cpu() - m.cpu
	m.wall = now.Sub(m.begin).Seconds()
	return true
}

func unary(conn *grpc.ClientConn, n int, m *meter) {
	var mutex sync.Mutex
	over := make(chan bool)
	for i := 0; i < n; i++ {
		go func() {
			for {
				var response []byte
				check(conn.Invoke(context.Background(), say, message, &response), &response)
				mutex.Lock()
				m.count++
				if m.tick() {
					over <- true
				}
				mutex.Unlock()
			}
		}()
	}
	<-over
}

func open(conn *grpc.ClientConn, method string) grpc.ClientStream {
	desc := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	s, err := conn.NewStream(context.Background(), desc, method)
	if err != nil {
		die(err)
	}
	return s
}

func streams(conn *grpc.ClientConn, m *meter) {
	for {
		s := open(conn, stream)
		if err := s.SendMsg(message); err != nil {
			die(err)
		}
		s.CloseSend()
		for {
			var response []byte
			err := s.RecvMsg(&response)
			if err != nil && err.Error() == "EOF" {
				break
			}
			check(err, &response)
			m.count++
			if m.count%tickOut == 0 && m.tick() {
				return
			}
		}
	}
}

func chats(conn *grpc.ClientConn, n int, m *meter) {
	s := open(conn, chat)
	room := make(chan bool, n)
	for i := 0; i < n; i++ {
		room <- true
	}
	go func() {
		for range room {
			if err := s.SendMsg(message); err != nil {
				die(err)
			}
		}
	}()
	for {
		var response []byte
		check(s.RecvMsg(&response), &response)
		room <- true
		m.count++
		if m.count%tickOut == 0 && m.tick() {
			return
		}
	}
}

func used() (uint64, uint64) {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc + stats.StackInuse, stats.Sys - stats.HeapReleased
}

func idle(target string, n int) {
	var conns []*grpc.ClientConn
	var heap, sys uint64
	for i := 0; i < n+warm; i++ {
		if i == warm {
			heap, sys = used()
		}
		conn := dial(target)
		var response []byte
		check(conn.Invoke(context.Background(), say, message, &response), &response)
		conns = append(conns, conn)
	}
	heapAfter, sysAfter := used()
	fmt.Printf("{\"client\":\"gRPC Go\",\"mode\":\"idle\",\"requests\":%d,\"wall_s\":0,\"cpu_s\":%f,\"connections\":%d,"+
		"\"heap_per_conn\":%.1f,\"rss_per_conn\":%.1f}\n", n, cpu(), len(conns)-warm,
		(float64(heapAfter)-float64(heap))/float64(n), (float64(sysAfter)-float64(sys))/float64(n))
}

func main() {
	host := flag.String("host", "127.0.0.1", "")
	port := flag.Int("port", 0, "")
	mode := flag.String("mode", "grpc-unary", "")
	inflight := flag.Int("inflight", 64, "")
	warmup := flag.Float64("warmup", 0.3, "")
	seconds := flag.Float64("seconds", 2, "")
	flag.Parse()
	runtime.GOMAXPROCS(1)
	target := fmt.Sprintf("%s:%d", *host, *port)
	if *mode == "grpc-idle" {
		idle(target, *inflight)
		return
	}
	conn := dial(target)
	m := &meter{warmUntil: time.Now().Add(time.Duration(*warmup * 1e9)), seconds: *seconds}
	switch *mode {
	case "grpc-unary":
		unary(conn, *inflight, m)
	case "grpc-stream":
		streams(conn, m)
	case "grpc-chat":
		chats(conn, *inflight, m)
	default:
		die("unknown mode " + *mode)
	}
	fmt.Printf("{\"client\":\"gRPC Go\",\"mode\":%q,\"requests\":%d,\"wall_s\":%.6f,\"cpu_s\":%.6f}\n", *mode, m.count,
		m.wall, m.cpu)
}
