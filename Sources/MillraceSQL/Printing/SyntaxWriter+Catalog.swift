extension SyntaxWriter {
    mutating func write(_ statement: CatalogStatement) {
        switch statement {
        case .drop(let kind, let name, let ifExists):
            text += "DROP \(kind.rawValue) " + (ifExists ? "IF EXISTS " : "")
            write(name)
        case .alterTable(let name, let alteration, let ifExists):
            text += "ALTER TABLE " + (ifExists ? "IF EXISTS " : "")
            write(name)
            text += " "
            write(alteration)
        case .createDatabase(let name, let ifNotExists):
            text += "CREATE DATABASE " + (ifNotExists ? "IF NOT EXISTS " : "")
            write(name)
        case .use(let name, let isCatalog):
            text += isCatalog ? "USE CATALOG " : "USE "
            write(name)
        case .reset(let key):
            text += "RESET"
            if let key {
                text += " "
                writeString(key.text)
            }
        case .describe(let name):
            text += "DESCRIBE "
            write(name)
        case .show(let listing, let like, let isNegated):
            text += "SHOW "
            write(listing)
            if let like {
                text += isNegated ? " NOT LIKE " : " LIKE "
                writeString(like)
            }
        case .explain(let inserts):
            text += "EXPLAIN "
            if inserts.count == 1 { write(inserts[0]) } else { writeSet(inserts, "STATEMENT SET BEGIN\n") }
        case .explainQuery(let query):
            text += "EXPLAIN "
            write(query)
        }
    }

    mutating func writeSet(_ inserts: [InsertSyntax], _ start: String) {
        text += start
        for insert in inserts {
            write(insert)
            text += ";\n"
        }
        text += "END"
    }

    private mutating func write(_ listing: CatalogStatement.Listing) {
        switch listing {
        case .tables: text += "TABLES"
        case .views: text += "VIEWS"
        case .models: text += "MODELS"
        case .databases: text += "DATABASES"
        case .catalogs: text += "CATALOGS"
        case .currentDatabase: text += "CURRENT DATABASE"
        case .currentCatalog: text += "CURRENT CATALOG"
        case .columns(let name):
            text += "COLUMNS FROM "
            write(name)
        case .createTable(let name):
            text += "CREATE TABLE "
            write(name)
        case .createView(let name):
            text += "CREATE VIEW "
            write(name)
        }
    }

    private mutating func write(_ alteration: AlterTableSyntax) {
        switch alteration {
        case .rename(let name):
            text += "RENAME TO "
            write(name)
        case .renameColumn(let old, let new):
            text += "RENAME "
            write(old)
            text += " TO "
            write(new)
        case .set(let options):
            text += "SET "
            write(options)
        case .reset(let keys):
            text += "RESET ("
            list(keys) { $0.writeString($1.text) }
            text += ")"
        case .add(let elements): write(elements, "ADD (")
        case .modify(let elements): write(elements, "MODIFY (")
        case .dropColumns(let names):
            text += "DROP "
            writeColumns(names)
        case .dropPrimaryKey: text += "DROP PRIMARY KEY"
        case .dropWatermark: text += "DROP WATERMARK"
        }
    }

    private mutating func write(_ elements: [AlterTableSyntax.Element], _ start: String) {
        text += start
        list(elements) { writer, element in
            for item in writer.elements(of: element.definition) { item(&writer) }
            switch element.place {
            case .last: break
            case .first: writer.text += " FIRST"
            case .after(let name):
                writer.text += " AFTER "
                writer.write(name)
            }
        }
        text += ")"
    }
}
