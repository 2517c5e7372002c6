/// What was learnt of a fleet, as it is kept over a restart. Little endian, in the frame of `ModelBytes` (`SBPC`, 1):
///
///     u32 metrics, each: its name
///     u32 sets of peers, each: two names (job, region); per metric: f32 spread, f32 square, u16 minutes;
///         u32 nodes, each: its name, u16 age, per metric: f32 usual distance
///     a name: u16 bytes, UTF-8
///
/// Valid only with finite numbers, spreads and squares not negative, read to the last byte.
package struct PeerModel: Sendable {
    package struct Set: Sendable {
        package var job: String
        package var region: String
        package var nodes: [String]
        /// Of as many nodes and metrics as are named.
        package var comparison: PeerComparison
        package init(job: String, region: String, nodes: [String], comparison: PeerComparison) {
            self.job = job
            self.region = region
            self.nodes = nodes
            self.comparison = comparison
        }
    }
    package static let itemsMax = 1 << 20

    package var metrics: [String]
    package var sets: [Set]

    package init(metrics: [String], sets: [Set]) {
        self.metrics = metrics
        self.sets = sets
    }

    package var bytes: [UInt8] {
        ModelBytes.framed(magic: "SBPC", version: 1, bodyBytes: 64 * metrics.count) { writer in
            writer.write(UInt32(metrics.count))
            for name in metrics { writer.write(name: name) }
            writer.write(UInt32(sets.count))
            for set in sets {
                writer.write(name: set.job)
                writer.write(name: set.region)
                for metric in metrics.indices {
                    writer.write(set.comparison.spreads[metric])
                    writer.write(set.comparison.squares[metric])
                    writer.write(set.comparison.minutes[metric])
                }
                writer.write(UInt32(set.nodes.count))
                for (number, name) in set.nodes.enumerated() {
                    writer.write(name: name)
                    writer.write(set.comparison.ages[number])
                    writer.write(set.comparison.usual[number])
                }
            }
        }
    }

    /// - Throws: ``DetectionError`` for anything that is no such model.
    package init(bytes: [UInt8]) throws(DetectionError) {
        var reader = try ModelBytes.body(bytes, magic: "SBPC", version: 1)
        metrics = []
        sets = []
        // Each takes at least two bytes, so that a count cannot ask for more than is there.
        for _ in 0..<(try reader.count(bytesEach: 2)) { metrics.append(try reader.name()) }
        for _ in 0..<(try reader.count(bytesEach: 8)) {
            let (job, region) = (try reader.name(), try reader.name())
            var comparison = PeerComparison(metrics: metrics.count)
            for metric in metrics.indices {
                let (spread, square) = (try reader.float(), try reader.float())
                guard spread >= 0, square >= 0 else { throw .damaged("a spread below 0") }
                comparison.spreads[metric] = spread
                comparison.squares[metric] = square
                comparison.minutes[metric] = min(try reader.uint16(), .max - 1)
            }
            var nodes: [String] = []
            for _ in 0..<(try reader.count(bytesEach: 4 + 4 * metrics.count)) {
                nodes.append(try reader.name())
                comparison.ages.append(min(try reader.uint16(), .max - 1))
                var usual: [Float] = []
                for _ in metrics.indices {
                    let distance = try reader.float()
                    usual.append(max(-PeerComparison.distanceMax, min(PeerComparison.distanceMax, distance)))
                }
                comparison.usual.append(usual)
            }
            sets.append(Set(job: job, region: region, nodes: nodes, comparison: comparison))
        }
        try reader.finish()
    }
}

extension ByteWriter {
    /// What is longer than a name can be is cut.
    fileprivate mutating func write(name: String) {
        let text = name.utf8.prefix(Int(UInt16.max))
        write(UInt16(text.count))
        bytes.append(contentsOf: text)
    }
}

extension ByteReader {
    fileprivate mutating func count(bytesEach: Int) throws(DetectionError) -> Int {
        let count = Int(try uint32())
        guard count <= PeerModel.itemsMax, count <= remaining / bytesEach else { throw .damaged("a count of \(count)") }
        return count
    }
    fileprivate mutating func name() throws(DetectionError) -> String {
        let count = Int(try uint16())
        guard let text = String(validating: try slice(count), as: UTF8.self) else { throw .damaged("a name") }
        return text
    }
}
