import RuntimeSupport
import Testing

@Suite("loopback hosts")
struct LoopbackHostTests {
    @Test(
        "numbers within 127.0.0.0/8, ::1 and localhost are loopback",
        arguments: ["127.0.0.1", "127.255.0.9", "::1", "0:0:0:0:0:0:0:1", "localhost", "LocalHost"])
    func loopback(host: String) { #expect(LoopbackHost.isLoopback(host)) }

    @Test(
        "a name that looks like a number, other numbers and other names are not",
        arguments: [
            "127.example.org", "127.0.0.1.example.org", "127.0.0.1 ", "127.1", "0127.0.0.1", "128.0.0.1", "0.0.0.0",
            "::",
            "::2", "fe80::1", "", "localhost.example.org", "127.0.0.256", "2130706433", "[::1]",
        ])
    func others(host: String) { #expect(!LoopbackHost.isLoopback(host)) }

    @Test("an endpoint is a host and a port from 1 to 65535; IPv6 stands in brackets")
    func endpoints() {
        func show(_ text: String) -> String? { LoopbackHost.endpoint(text).map { "\($0.host) \($0.port)" } }
        #expect(show("127.0.0.1:9470") == "127.0.0.1 9470" && show("[::1]:1") == "::1 1")
        #expect(show("localhost:65535") == "localhost 65535")
        for bad in ["", ":", ":1", "[]:1", "a", "a:0", "a:65536", "a:x", "::1:80"] {
            #expect(show(bad) == nil, "\(bad)")
        }
    }
}
