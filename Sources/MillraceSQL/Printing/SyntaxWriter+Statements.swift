extension SyntaxWriter {
    mutating func write(_ statement: StatementSyntax) {
        switch statement.kind {
        case .createTable(let table): write(table)
        case .createView(let view): write(view)
        case .createModel(let model): write(model)
        case .insert(let insert): write(insert)
        case .statementSet(let inserts):
            writeSet(inserts, "EXECUTE STATEMENT SET BEGIN\n")
        case .catalog(let statement): write(statement)
        case .set(let key, let value):
            text += "SET "
            writeString(key.text)
            text += " = "
            writeString(value.text)
        case .showFunctions(let isUser, let like, let isNegated):
            text += isUser ? "SHOW USER FUNCTIONS" : "SHOW FUNCTIONS"
            if let like {
                text += isNegated ? " NOT LIKE " : " LIKE "
                writeString(like)
            }
        }
    }

    private mutating func writeLines(_ elements: [(inout SyntaxWriter) -> Void]) {
        text += " (\n"
        for (index, element) in elements.enumerated() {
            text += "    "
            element(&self)
            text += index == elements.count - 1 ? "\n" : ",\n"
        }
        text += ")"
    }

    mutating func write(_ table: CreateTableSyntax) {
        text += table.isTemporary ? "CREATE TEMPORARY TABLE " : "CREATE TABLE "
        if table.ifNotExists { text += "IF NOT EXISTS " }
        write(table.name)
        let elements = elements(of: table)
        if !elements.isEmpty { writeLines(elements) }
        if !table.partitionKeys.isEmpty {
            text += " PARTITIONED BY "
            writeColumns(table.partitionKeys)
        }
        if !table.options.isEmpty {
            text += " WITH "
            write(table.options)
        }
        if let like = table.like {
            text += " LIKE "
            write(like.source)
            if !like.options.isEmpty { text += " (" + like.options.joined(separator: " ") + ")" }
        }
        if let query = table.query {
            text += " AS\n"
            write(query)
        }
    }

    /// Columns, watermarks and the primary key.
    func elements(of table: CreateTableSyntax) -> [(inout SyntaxWriter) -> Void] {
        var elements: [(inout SyntaxWriter) -> Void] = table.columns.map { column in { $0.write(column) } }
        for watermark in table.watermarks {
            elements.append {
                $0.text += "WATERMARK FOR "
                $0.write(watermark.column)
                $0.text += " AS "
                $0.write(watermark.expression)
            }
        }
        if !table.primaryKey.isEmpty {
            elements.append {
                $0.text += "PRIMARY KEY "
                $0.writeColumns(table.primaryKey)
                $0.text += " NOT ENFORCED"
            }
        }
        return elements
    }

    private mutating func write(_ column: CreateTableSyntax.Column) {
        write(column.name)
        switch column.kind {
        case .physical(let type):
            text += " "
            write(type)
        case .metadata(let type, let key, let isVirtual):
            text += " "
            write(type)
            text += " METADATA"
            if let key {
                text += " FROM "
                writeString(key.text)
            }
            if isVirtual { text += " VIRTUAL" }
        case .computed(let expression):
            text += " AS "
            write(expression)
        }
        if column.isPrimaryKey { text += " PRIMARY KEY NOT ENFORCED" }
    }

    mutating func write(_ view: CreateViewSyntax) {
        text += view.isTemporary ? "CREATE TEMPORARY VIEW " : "CREATE VIEW "
        if view.ifNotExists { text += "IF NOT EXISTS " }
        write(view.name)
        if !view.columns.isEmpty {
            text += " "
            writeColumns(view.columns)
        }
        text += " AS\n"
        write(view.query)
    }

    private mutating func write(_ model: CreateModelSyntax) {
        text += model.orReplace ? "CREATE OR REPLACE MODEL " : "CREATE MODEL "
        if model.ifNotExists { text += "IF NOT EXISTS " }
        write(model.name)
        if !model.transform.isEmpty {
            text += " TRANSFORM ("
            write(model.transform)
            text += ")"
        }
        for (word, columns) in [(" INPUT (", model.inputs), (" OUTPUT (", model.outputs)] where !columns.isEmpty {
            text += word
            list(columns) {
                $0.write($1.name)
                $0.text += " "
                $0.write($1.type)
            }
            text += ")"
        }
        if !model.options.isEmpty {
            text += " WITH "
            write(model.options)
        }
    }

    mutating func write(_ insert: InsertSyntax) {
        text += insert.isOverwrite ? "INSERT OVERWRITE " : "INSERT INTO "
        write(insert.target)
        writeHint(insert.options)
        if !insert.partition.isEmpty {
            text += " PARTITION ("
            list(insert.partition) {
                $0.write($1.column)
                guard let value = $1.value else { return }
                $0.text += " = "
                $0.write(value)
            }
            text += ")"
        }
        if !insert.columns.isEmpty {
            text += " "
            writeColumns(insert.columns)
        }
        text += "\n"
        write(insert.query)
    }
}
