import Dispatch
import Glibc
import Telemetry

/// The same samples as Prometheus remote write: protobuf in snappy's block format, made of literals only, so that
/// the receiver's decompression is a copy. One request holds what one batch of ours holds.
struct RemoteWrite {
    static let connections = 4

    /// Complete HTTP requests of one agent.
    static func requests(_ plan: LoadPlan, _ workload: Workload, agent: Int, port: UInt16) -> [[UInt8]] {
        guard case .metrics(let ticks) = plan.content else { return [] }
        let labels = workload.descriptors.map { descriptor in
            var encoded: [UInt8] = []
            let own = [Label("instance", "bench-\(agent)"), Label("job", "stagebox")]
            for label in (descriptor.key.labels + own).sorted() {
                var pair: [UInt8] = []
                append(field: 1, Array(label.name.utf8), to: &pair)
                append(field: 2, Array(label.value.utf8), to: &pair)
                append(field: 1, pair, to: &encoded)
            }
            return encoded
        }
        return (0..<plan.batchesPerAgent).map { batch in
            let timestamps = plan.timestamps(of: batch)
            let values = workload.values(agent: agent, ticks: batch * ticks..<(batch + 1) * ticks)
            var message: [UInt8] = []
            for series in labels.indices {
                var entry = labels[series]
                for tick in 0..<ticks {
                    var sample: [UInt8] = [9]
                    withUnsafeBytes(of: values[series * ticks + tick].bitPattern.littleEndian) {
                        sample.append(contentsOf: $0)
                    }
                    sample.append(16)
                    append(varint: UInt64(bitPattern: timestamps[tick]), to: &sample)
                    append(field: 2, sample, to: &entry)
                }
                append(field: 1, entry, to: &message)
            }
            let body = literals(message)
            let head =
                "POST /api/v1/write HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nContent-Type: application/x-protobuf\r\n"
                + "Content-Encoding: snappy\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\n"
                + "Content-Length: \(body.count)\r\n\r\n"
            return Array(head.utf8) + body
        }
    }

    /// Sends all requests over a few connections, each agent's in order.
    /// - Returns: seconds from the first byte to the last answer.
    static func send(_ agents: [[[UInt8]]], port: UInt16) -> Double {
        var start = timespec()
        clock_gettime(CLOCK_MONOTONIC, &start)
        DispatchQueue.concurrentPerform(iterations: connections) { worker in
            let descriptor = connect(port)
            defer { close(descriptor) }
            let mine = stride(from: worker, to: agents.count, by: connections).map { agents[$0] }
            for round in 0..<(mine.first?.count ?? 0) { for requests in mine { exchange(descriptor, requests[round]) } }
        }
        var end = timespec()
        clock_gettime(CLOCK_MONOTONIC, &end)
        return Double(end.tv_sec - start.tv_sec) + Double(end.tv_nsec - start.tv_nsec) / 1e9
    }

    private static func connect(_ port: UInt16) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        precondition(result == 0, "cannot connect to 127.0.0.1:\(port)")
        return descriptor
    }

    private static func exchange(_ descriptor: Int32, _ request: [UInt8]) {
        request.withUnsafeBytes { bytes in
            var sent = 0
            while sent < bytes.count {
                let count = write(descriptor, bytes.baseAddress.map { $0 + sent }, bytes.count - sent)
                precondition(count > 0, "the connection was closed")
                sent += count
            }
        }
        // Answers are "204 No Content" without a body and come in one piece.
        var answer = [UInt8](repeating: 0, count: 4096)
        let count = read(descriptor, &answer, answer.count)
        let isTaken = count > 12 && answer[9] == UInt8(ascii: "2")
        precondition(isTaken, "the receiver refused a request")
    }

    // MARK: Bytes

    private static func append(varint value: UInt64, to bytes: inout [UInt8]) {
        var value = value
        while value >= 128 {
            bytes.append(UInt8(truncatingIfNeeded: value) | 128)
            value >>= 7
        }
        bytes.append(UInt8(value))
    }

    private static func append(field: UInt8, _ content: [UInt8], to bytes: inout [UInt8]) {
        bytes.append(field << 3 | 2)
        append(varint: UInt64(content.count), to: &bytes)
        bytes.append(contentsOf: content)
    }

    private static func literals(_ content: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(content.count + content.count / 16_384 + 16)
        append(varint: UInt64(content.count), to: &bytes)
        var start = 0
        while start < content.count {
            let end = min(start + 65_536, content.count)
            let length = end - start - 1
            bytes.append(contentsOf: [61 << 2, UInt8(length & 255), UInt8(length >> 8)])
            bytes.append(contentsOf: content[start..<end])
            start = end
        }
        return bytes
    }
}
