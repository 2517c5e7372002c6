import SQLite
import Synchronization
import Telemetry
import WireFormat

/// `index.sqlite`: the series of one tenant and the numbers of its agents. Saved before any chunk names a new id.
///
///     symbol (id, text)                         label names and values
///     series (id, agent, type, first, last, labels)   labels: name and value symbols as varints
///     agent  (id, name)
///     mark   (id, value)                           id 1: ids of series from here on were never given; without it the
///                                                  file was never filled
final class IndexFile: Sendable {
    static let migrations = [
        Migration(
            """
            CREATE TABLE symbol(id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
            CREATE TABLE series(id INTEGER PRIMARY KEY, agent INTEGER NOT NULL, type INTEGER NOT NULL,
              first INTEGER NOT NULL, last INTEGER NOT NULL, labels BLOB NOT NULL) STRICT;
            CREATE TABLE agent(id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
            """),
        Migration("CREATE TABLE mark(id INTEGER PRIMARY KEY, value INTEGER NOT NULL) STRICT;"),
    ]

    private let database: GuardedDatabase

    init(path: String) throws {
        database = try GuardedDatabase(
            path: path, configuration: DatabaseConfiguration(synchronous: .full), migrations: Self.migrations)
    }

    /// Fills an empty index.
    /// - Complexity: O(series × labels).
    func load(into index: SeriesIndex) throws {
        try database.use { database in
            var symbols: [String] = []
            let texts = try database.statement("SELECT id, text FROM symbol ORDER BY id")
            while try texts.step() {
                // A hole would shift every later number; damage of that kind is found here.
                guard texts.integer(0) == Int64(symbols.count) else {
                    texts.reset()
                    throw StoreError(.damaged, "index.sqlite: symbol \(symbols.count) is missing")
                }
                symbols.append(texts.text(1))
            }
            index.restoreSymbols(symbols)
            let rows = try database.statement("SELECT id, agent, type, first, last, labels FROM series ORDER BY id")
            while try rows.step() {
                guard let id = UInt32(exactly: rows.integer(0)), id != SeriesID.none.rawValue else { continue }
                guard let labels = rows.withBlob(5, { Self.decode($0, symbols) }) else { continue }
                index.restore(
                    id: SeriesID(id), labels: labels,
                    type: MetricType(rawValue: UInt8(truncatingIfNeeded: rows.integer(2))) ?? .unknown,
                    agent: AgentNumber(truncatingIfNeeded: rows.integer(1)),
                    first: Timestamp(milliseconds: rows.integer(3)), last: Timestamp(milliseconds: rows.integer(4)))
            }
            let next = try database.integer("SELECT value FROM mark WHERE id = 1") ?? 1
            if let last = UInt32(exactly: next - 1) { index.reserve(through: last) }
        }
    }

    /// Whether an index was ever saved here: the file of a new tenant, and one made in place of a lost one, is not.
    func isFilled() throws -> Bool {
        try database.use { database in
            try database.integer("SELECT count(*) FROM mark WHERE id = 1") ?? 0 > 0
                || database.integer("SELECT count(*) FROM series") ?? 0 > 0
        }
    }

    private static func decode(_ bytes: UnsafeRawBufferPointer, _ symbols: [String]) -> [Label]? {
        var reader = ByteReader(bytes)
        var labels: [Label] = []
        while reader.remaining > 0 {
            guard let name = try? reader.readVarint("name"), let value = try? reader.readVarint("value"),
                name < symbols.count, value < symbols.count
            else { return nil }  // a damaged row costs its series' name, not the index
            labels.append(Label(symbols[Int(name)], symbols[Int(value)]))
        }
        return labels
    }

    /// Writes what is new in the index; durable when it returns. Nothing new costs nothing. Any thread.
    func save(_ index: SeriesIndex) throws {
        try database.use { database in
            // Taken while no other thread writes: of two states the later one is written later.
            let unsaved = index.takeUnsaved()
            guard !unsaved.isEmpty else { return }
            do {
                try database.transaction(synchronous: .full) { try Self.write(unsaved, to: database) }
            } catch {
                index.returnUnsaved(unsaved)
                throw error
            }
        }
    }

    private static func write(_ unsaved: UnsavedIndex, to database: Database) throws {
        if unsaved.replacesAll { try database.execute("DELETE FROM symbol; DELETE FROM series") }
        let symbol = try database.statement("INSERT OR REPLACE INTO symbol(id, text) VALUES (?1, ?2)")
        for (number, text) in unsaved.symbols {
            try symbol.bind(1, Int64(number))
            try symbol.bind(2, text)
            try symbol.run()
        }
        let series = try database.statement(
            "INSERT OR REPLACE INTO series(id, agent, type, first, last, labels) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
        for row in unsaved.rows {
            var labels = ByteWriter(reserving: row.labels.count * 4)
            for label in row.labels {
                labels.write(varint: UInt64(label.name))
                labels.write(varint: UInt64(label.value))
            }
            try series.bind(1, Int64(row.id))
            try series.bind(2, Int64(row.agent))
            try series.bind(3, Int64(row.type.rawValue))
            try series.bind(4, row.first)
            try series.bind(5, row.last)
            try series.bind(6, labels.bytes)
            try series.run()
        }
        let mark = try database.statement("INSERT OR REPLACE INTO mark(id, value) VALUES (1, ?1)")
        try mark.bind(1, Int64(unsaved.nextID))
        try mark.run()
    }

    func remove(_ ids: [SeriesID]) throws {
        guard !ids.isEmpty else { return }
        try database.use { database in
            try database.transaction {
                let statement = try database.statement("DELETE FROM series WHERE id = ?1")
                for id in ids {
                    try statement.bind(1, Int64(id.rawValue))
                    try statement.run()
                }
            }
        }
    }

    func agents() throws -> [AgentNumber: AgentID] {
        try database.use { database in
            let statement = try database.statement("SELECT id, name FROM agent")
            var found: [AgentNumber: AgentID] = [:]
            while try statement.step() {
                if let name = AgentID(stored: statement.text(1)) {
                    found[AgentNumber(truncatingIfNeeded: statement.integer(0))] = name
                }
            }
            return found
        }
    }

    func save(_ agents: [AgentNumber: AgentID]) throws {
        try database.use { database in
            try database.transaction(synchronous: .full) {
                let statement = try database.statement("INSERT OR REPLACE INTO agent(id, name) VALUES (?1, ?2)")
                for (number, name) in agents {
                    try statement.bind(1, Int64(number))
                    try statement.bind(2, name.rawValue)
                    try statement.run()
                }
            }
        }
    }

    func checkpoint() throws { try database.use { _ = try $0.checkpoint(.truncate) } }
    func close() { database.close() }
}
