import Telemetry

/// Counters of the internet protocols, `/proc/net/netstat`, `/proc/net/snmp` and `/proc/net/snmp6`, as
/// `node_netstat_<protocol>_<name>`: the subset that node_exporter keeps by default, untyped as there.
public struct ProtocolCollector: Collector {
    public let name = "netstat"
    public let defaultIntervalMilliseconds: Int64 = 1000

    private let paired: [SourceFile]
    private let listed: SourceFile
    /// By the line of names: the handle of each column, `.none` where it is not kept, up to the last kept one.
    private var headers = RowCache<[SeriesHandle?]>()
    private var names = RowCache<SeriesHandle?>()
    /// Collections for which the list of IPv6, which a kernel may get with a module, is not looked for again.
    private var absence = 0

    public init(roots: CollectorRoots) {
        paired = [SourceFile(roots.proc + "/net/netstat"), SourceFile(roots.proc + "/net/snmp")]
        listed = SourceFile(roots.proc + "/net/snmp6")
    }

    public mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        headers.rewind()
        for file in paired { collectPairs(try file.read(into: sink.buffer), &sink) }
        guard absence == 0 else {
            absence -= 1
            return
        }
        do { collectList(try listed.read(into: sink.buffer), &sink) } catch {
            guard case .unavailable = error else { throw error }
            absence = KernelLimitCollector.absenceMax
        }
    }

    /// `Tcp: name name …` followed by `Tcp: value value …`.
    private mutating func collectPairs(_ text: Bytes, _ sink: inout ScrapeSink) {
        var cursor = ByteCursor(text)
        while let header = cursor.line() {
            guard let line = cursor.line() else {
                sink.malformedLines &+= 1
                return
            }
            let handles = headers.row(header) { Self.columns(of: $0, sink) } ?? []
            guard !handles.isEmpty else { continue }
            var values = ByteCursor(line)
            guard let name = values.upTo(UInt8(ascii: ":")), header.count > name.count,
                memcmp(header, name)
            else {
                sink.malformedLines &+= 1
                continue
            }
            for handle in handles {
                guard let handle else {
                    guard values.word() != nil else { break }
                    continue
                }
                guard let value = values.signed() else {
                    sink.malformedLines &+= 1
                    break
                }
                sink.append(handle, Double(value))
            }
        }
    }

    /// Whether the line of values belongs to the same protocol as the line of names.
    private func memcmp(_ header: Bytes, _ name: Bytes) -> Bool {
        header[name.count] == UInt8(ascii: ":") && Bytes(rebasing: header[..<name.count]).elementsEqual(name)
    }

    private static func columns(of header: String, _ sink: ScrapeSink) -> [SeriesHandle?] {
        guard let colon = header.firstIndex(of: ":") else { return [] }
        let group = String(header[..<colon])
        var handles = header[header.index(after: colon)...].split(separator: " ").map {
            handle(group, String($0), sink)
        }
        while let last = handles.last, last == nil { handles.removeLast() }
        return handles
    }

    /// `Ip6InOctets 128`: the protocol's name ends with the 6.
    private mutating func collectList(_ text: Bytes, _ sink: inout ScrapeSink) {
        var cursor = ByteCursor(text)
        names.rewind()
        while let line = cursor.line() {
            var fields = ByteCursor(line)
            guard let key = fields.word() else { continue }
            let row = names.row(key) { key in
                guard let six = key.firstIndex(of: "6") else { return nil }
                let next = key.index(after: six)
                return Self.handle(String(key[..<next]), String(key[next...]), sink)
            }
            guard let row, let handle = row else { continue }
            if let value = fields.unsigned() { sink.append(handle, value) } else { sink.malformedLines &+= 1 }
        }
    }

    private static func handle(_ group: String, _ name: String, _ sink: ScrapeSink) -> SeriesHandle? {
        guard isKept(group, name) else { return nil }
        return sink.register(
            "node_netstat_\(MemoryCollector.metricName(group))_\(MemoryCollector.metricName(name))", [], .unknown,
            .unknown)
    }

    /// node_exporter 1.5.0's `--collector.netstat.fields`, written out.
    static func isKept(_ group: String, _ name: String) -> Bool {
        if name == "InErrors" || name == "InErrs" { return true }
        switch group {
        case "Ip": return name == "Forwarding"
        case "Ip6", "IpExt": return name == "InOctets" || name == "OutOctets"
        case "Icmp", "Icmp6": return name == "InMsgs" || name == "OutMsgs"
        case "TcpExt":
            return name.hasPrefix("Listen") || name.hasPrefix("Syncookies") || name == "TCPSynRetrans"
                || name == "TCPTimeouts"
        case "Tcp":
            return [
                "ActiveOpens", "InSegs", "OutSegs", "OutRsts", "PassiveOpens", "RetransSegs", "CurrEstab",
            ].contains(name)
        case "Udp", "Udp6":
            return ["InDatagrams", "OutDatagrams", "NoPorts", "RcvbufErrors", "SndbufErrors"].contains(name)
        default: return false
        }
    }
}
