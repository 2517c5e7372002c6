package import Telemetry

/// The series tables that name every registered series: table after table, in the order of registry
/// numbers, so that a number in a block is the registry's own.
///
/// New series get a table of their own, so that nothing known is sent again; when there are more than
/// ``partialTablesMax`` tables that are not full, these are made anew as few as the bounds allow.
///
/// Bounds: ``tablesMax`` tables; series beyond them are not covered. A table has at most ``seriesPerTableMax`` series and
/// about ``tableBytesMax`` bytes before compression.
package struct SeriesTableSet: Sendable {
    package struct Table: Sendable, Equatable {
        package let hash: TableHash
        package let count: UInt32
        package let encoded: [UInt8]
        fileprivate let isFull: Bool
    }

    /// A block repeats 32 bytes for each; the buffer's bound on tables of a row is this.
    package static let tablesMax = 64
    package static let partialTablesMax = 4
    /// A label set is seldom over 100 bytes, and shares most of them with its neighbours.
    package static let seriesPerTableMax = 2000
    /// With its envelope an encoded table stays below the batch limit of 256 KiB even when nothing compresses.
    package static let tableBytesMax = 192 * 1024

    package private(set) var tables: [Table] = []
    /// Series from this number on have no table.
    package private(set) var covered = 0
    private var renewals = 0
    private let encode: @Sendable ([SeriesDescriptor]) throws -> [UInt8]
    private let hash: @Sendable ([UInt8]) -> TableHash

    package init(
        encode: @escaping @Sendable ([SeriesDescriptor]) throws -> [UInt8],
        hash: @escaping @Sendable ([UInt8]) -> TableHash
    ) {
        self.encode = encode
        self.hash = hash
    }

    /// Covers as many of `descriptors` as the bounds allow: the registry's list, of which earlier calls saw a prefix
    /// unless it was renewed since.
    /// - Parameter renewals: of the registry.
    /// - Returns: the tables that are new.
    /// - Throws: what `encode` throws; what is covered so far stays.
    package mutating func cover(_ descriptors: [SeriesDescriptor], renewals: Int = 0) throws -> [Table] {
        if renewals != self.renewals {
            self.renewals = renewals
            tables = []
            covered = 0
        }
        guard descriptors.count > covered else { return [] }
        let known = Set(tables.map(\.hash))
        if tables.count(where: { !$0.isFull }) >= Self.partialTablesMax || tables.count >= Self.tablesMax,
            let first = tables.firstIndex(where: { !$0.isFull })
        {
            covered -= tables[first...].reduce(0) { $0 + Int($1.count) }
            tables.removeSubrange(first...)
        }
        while covered < descriptors.count, tables.count < Self.tablesMax {
            var end = min(covered + Self.seriesPerTableMax, descriptors.count)
            var encoded = try encode(Array(descriptors[covered..<end]))
            var isFull = end - covered == Self.seriesPerTableMax
            while encoded.count > Self.tableBytesMax, end - covered > 1 {
                end = covered + (end - covered) / 2
                encoded = try encode(Array(descriptors[covered..<end]))
                isFull = true
            }
            tables.append(
                Table(hash: hash(encoded), count: UInt32(end - covered), encoded: encoded, isFull: isFull))
            covered = end
        }
        return tables.filter { !known.contains($0.hash) }
    }
}
