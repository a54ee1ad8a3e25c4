"""A very small asynchronous object-relational mapper: fields as descriptors, tables through a metaclass."""
import datetime

import aiomysql


class Field:
    def __init__(self, kind, default=None, primary=False):
        self.kind, self.default, self.primary = kind, default, primary

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, row, owner=None):
        return self if row is None else row.values.get(self.name)

    def __set__(self, row, value):
        if value is not None and not isinstance(value, self.kind):
            raise TypeError(f'{type(row).__name__}.{self.name} takes {self.kind.__name__}, not {type(value).__name__}')
        row.values[self.name] = value


class ModelMeta(type):
    def __new__(mcls, name, bases, namespace, table=None):
        cls = super().__new__(mcls, name, bases, namespace)
        cls.table = table
        cls.fields = {k: v for base in reversed(cls.__mro__) for k, v in vars(base).items() if isinstance(v, Field)}
        return cls


class Model(metaclass=ModelMeta):
    id = Field(int, primary=True)
    created_at = Field(datetime.datetime, default=datetime.datetime.now)

    def __init__(self, **values):
        self.values = {}
        for name, field in self.fields.items():
            default = field.default() if callable(field.default) else field.default
            setattr(self, name, values.pop(name, default))
        if values:
            raise TypeError(f'{type(self).__name__} has no {", ".join(values)}')

    def as_dict(self):
        return {k: v.isoformat() if isinstance(v, datetime.datetime) else v
                for k, v in self.values.items() if not isinstance(v, bytes)}

    @classmethod
    async def select(cls, pool, where='', args=(), order='id', limit=None, offset=0):
        sql = f"select {', '.join(f'`{f}`' for f in cls.fields)} from `{cls.table}`"
        if where:
            sql += f' where {where}'
        sql += f' order by {order}'
        if limit is not None:
            sql += ' limit %s offset %s'
            args = (*args, limit, offset)
        async with pool.acquire() as connection, connection.cursor(aiomysql.DictCursor) as cursor:
            await cursor.execute(sql, args)
            return [cls(**{k: bool(v) if cls.fields[k].kind is bool else v for k, v in row.items()})
                    for row in await cursor.fetchall()]

    @classmethod
    async def get(cls, pool, id):
        rows = await cls.select(pool, 'id = %s', (id,))
        return rows[0] if rows else None

    @classmethod
    async def count(cls, pool):
        async with pool.acquire() as connection, connection.cursor() as cursor:
            await cursor.execute(f'select count(*) from `{cls.table}`')
            return (await cursor.fetchone())[0]

    async def save(self, pool):
        names = [f for f, field in self.fields.items() if not field.primary]
        values = [self.values[n] for n in names]
        async with pool.acquire() as connection, connection.cursor() as cursor:
            if self.id is None:
                await cursor.execute(f"insert into `{self.table}` ({', '.join(f'`{n}`' for n in names)}) "
                                     f"values ({', '.join(['%s'] * len(names))})", values)
                self.id = cursor.lastrowid
            else:
                await cursor.execute(f"update `{self.table}` set {', '.join(f'`{n}` = %s' for n in names)} where id = %s",
                                     (*values, self.id))
        return self

    async def delete(self, pool):
        async with pool.acquire() as connection, connection.cursor() as cursor:
            await cursor.execute(f'delete from `{self.table}` where id = %s', (self.id,))


class User(Model, table='users'):
    name = Field(str)
    salt = Field(bytes)
    password = Field(bytes)
    admin = Field(bool, default=False)


class Post(Model, table='posts'):
    user_id = Field(int)
    title = Field(str)
    body = Field(str)


class Comment(Model, table='comments'):
    post_id = Field(int)
    user_id = Field(int)
    body = Field(str)
