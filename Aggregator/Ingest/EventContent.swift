package import Telemetry
package import WireFormat

/// What ingest has to know of an event block that was validated as a whole. The events stay in the block's body, to be
/// decoded by whoever reads them; those of small blocks are decoded, since the store joins these.
package struct EventContent: Sendable {
    /// Blocks below this many events are joined with their neighbours.
    package static let joinedBelow = 256

    package var count: Int
    package var decoded: [ListeningEvent]?

    package init(_ events: [ListeningEvent]) {
        count = events.count
        decoded = events
    }

    /// Of a block that was checked, and not decoded.
    package init(count: Int) { self.count = count }

    /// - Throws: ``WireError`` for any bytes that are no valid event block.
    package init(block: [UInt8]) throws(WireError) {
        var checked: Result<Int, WireError> = .failure(.truncated("event block"))
        block.withUnsafeBytes { bytes in
            checked = Result { () throws(WireError) in try EventBlock.check(bytes) }
        }
        count = try checked.get()
        if count < Self.joinedBelow { decoded = try EventBlock.decode(block) }
    }
}
