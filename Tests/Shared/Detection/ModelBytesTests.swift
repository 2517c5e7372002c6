import Detection
import RuntimeSupport
import Testing

@Suite("models as bytes")
struct ModelBytesTests {
    private enum Kind: CaseIterable {
        case axis, hyperplane, compact, cores
    }

    private func bytes(of kind: Kind) throws -> [UInt8] {
        let rows = GoldenRows.make("bell", seed: 50, count: 40, columns: 2)
        var generator = SeededGenerator(seed: 51)
        switch kind {
        case .axis, .hyperplane:
            let parameters = IsolationForest.Parameters(
                treeCount: 3, sampleCount: 16, terms: kind == .hyperplane ? 2 : 1)
            return try IsolationForest(rows: rows.span, columns: 2, parameters: parameters, using: &generator).bytes
        case .compact:
            return try CompactForest(
                rows: rows.span, columns: 2, parameters: .init(treeCount: 3, sampleCount: 16), using: &generator
            ).bytes
        case .cores:
            return try CorePoints(
                of: rows, columns: 2, DBSCAN(radius: 1, neighbours: 4), limit: 20
            ).bytes
        }
    }

    /// Reads and, if that succeeds, scores a point: neither may trap.
    /// - Returns: the model's own bytes.
    private func read(_ kind: Kind, _ bytes: [UInt8]) throws -> [UInt8] {
        let point: [Float] = [0.5, -3]
        switch kind {
        case .axis, .hyperplane:
            let forest = try IsolationForest(bytes: bytes)
            if let score = forest.score(at: point) { #expect(!(score > 1) && score >= 0) }
            return forest.bytes
        case .compact:
            let forest = try CompactForest(bytes: bytes)
            if let score = forest.score(at: point) { #expect(!(score > 1) && score >= 0) }
            return forest.bytes
        case .cores:
            let cores = try CorePoints(bytes: bytes)
            if let score = cores.score(at: point) { #expect(score >= 0) }
            return cores.bytes
        }
    }

    /// The same bytes with the checksum made right again, so that what is behind it is tried, too.
    private func resealed(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.count >= 4 else { return bytes }
        let body = bytes.dropLast(4)
        var crc = UInt32.max
        for byte in body {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xedb8_8320 : crc >> 1 }
        }
        crc = ~crc
        return body + (0..<4).map { UInt8(truncatingIfNeeded: crc >> UInt32(8 * $0)) }
    }

    @Test("a model read back is the model", arguments: Kind.allCases)
    private func identity(kind: Kind) throws {
        let bytes = try bytes(of: kind)
        #expect(try read(kind, bytes) == bytes)
        #expect(resealed(bytes) == bytes)
    }

    @Test("cut anywhere, it is an error", arguments: Kind.allCases)
    private func torn(kind: Kind) throws {
        let bytes = try bytes(of: kind)
        for count in bytes.indices {
            #expect(throws: DetectionError.self) { try read(kind, Array(bytes[..<count])) }
            #expect(throws: DetectionError.self) { try read(kind, resealed(Array(bytes[..<count]))) }
        }
        #expect(throws: DetectionError.self) { try read(kind, bytes + [0]) }
    }

    @Test("any flipped bit is an error", arguments: Kind.allCases)
    private func flipped(kind: Kind) throws {
        let bytes = try bytes(of: kind)
        for bit in 0..<bytes.count * 8 {
            var changed = bytes
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: DetectionError.self) { try read(kind, changed) }
        }
    }

    @Test("another kind, another version", arguments: Kind.allCases)
    private func foreign(kind: Kind) throws {
        var bytes = try bytes(of: kind)
        for other in Kind.allCases where other != kind {
            let isSameMagic = [kind, other].allSatisfy { [.axis, .hyperplane].contains($0) }
            if !isSameMagic { #expect(throws: DetectionError.self) { try read(other, bytes) } }
        }
        bytes[4] = 2
        #expect(throws: DetectionError.version(2)) { try read(kind, resealed(bytes)) }
    }

    @Test("random changes under a right checksum end in an error or a model that scores", arguments: Kind.allCases)
    private func mutated(kind: Kind) throws {
        let bytes = try bytes(of: kind)
        var random = SeededGenerator(seed: 52)
        var readable = 0
        for _ in 0..<4000 {
            var changed = bytes
            for _ in 0...Int(random.next() % 3) {
                let position = 5 + Int(random.next() % UInt64(changed.count - 9))
                switch random.next() % 4 {
                case 0: changed[position] = UInt8(truncatingIfNeeded: random.next())
                case 1: changed[position] ^= 1 << UInt8(random.next() % 8)
                case 2: changed[position] = random.next() % 2 == 0 ? 0 : 255
                default: changed.swapAt(position, 5 + Int(random.next() % UInt64(changed.count - 9)))
                }
            }
            if let again = try? read(kind, resealed(changed)) {
                readable += 1
                #expect(try read(kind, again) == again)
            }
        }
        #expect(readable > 0)
    }
}
