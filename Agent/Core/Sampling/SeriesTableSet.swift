package import Telemetry

/// The series tables that name every registered series: table after table, in the order of registry
/// numbers, so that a number in a block is the registry's own.
///
/// New series get a table of their own, so that nothing known is sent again; when there are more than
/// ``tablesMax`` tables all are made anew, as few as the size bound allows.
package struct SeriesTableSet: Sendable {
    package struct Table: Sendable, Equatable {
        package let hash: TableHash
        package let count: UInt32
        package let encoded: [UInt8]
    }

    /// A block repeats 32 bytes for each.
    package static let tablesMax = 4
    /// Keeps an encoded table far below the batch limit of 256 KiB: a label set is seldom over 100 bytes.
    package static let seriesPerTableMax = 2000

    package private(set) var tables: [Table] = []
    private var covered = 0
    private let encode: @Sendable ([SeriesDescriptor]) throws -> [UInt8]
    private let hash: @Sendable ([UInt8]) -> TableHash

    package init(
        encode: @escaping @Sendable ([SeriesDescriptor]) throws -> [UInt8],
        hash: @escaping @Sendable ([UInt8]) -> TableHash
    ) {
        self.encode = encode
        self.hash = hash
    }

    /// Covers all of `descriptors`, the registry's list, of which earlier calls saw a prefix.
    /// - Returns: the tables that are new.
    /// - Throws: what `encode` throws; what is covered so far stays.
    package mutating func cover(_ descriptors: [SeriesDescriptor]) throws -> [Table] {
        guard descriptors.count > covered else { return [] }
        let known = Set(tables.map(\.hash))
        let added = (descriptors.count - covered + Self.seriesPerTableMax - 1) / Self.seriesPerTableMax
        let fewest = (descriptors.count + Self.seriesPerTableMax - 1) / Self.seriesPerTableMax
        if tables.count + added > max(Self.tablesMax, fewest + 1) {
            tables = []
            covered = 0
        }
        while covered < descriptors.count {
            let end = min(covered + Self.seriesPerTableMax, descriptors.count)
            let encoded = try encode(Array(descriptors[covered..<end]))
            tables.append(Table(hash: hash(encoded), count: UInt32(end - covered), encoded: encoded))
            covered = end
        }
        return tables.filter { !known.contains($0.hash) }
    }
}
